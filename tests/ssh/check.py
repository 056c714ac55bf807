#!/usr/bin/env python3
"""`warroom watch` as the README puts it behind sshd: a second user, a real sshd, `ForceCommand`.

    check.py WARROOM

Needs root, OpenSSH's sshd and ssh, and useradd: it makes a user and a group for the time of the
run. Prints a line for each check and a last line `ssh: N passed, N failed`. Talks to loopback
alone. Exit code 1 if a check failed, 3 if something that it needs is not there.
"""

import contextlib
import grp
import os
import pty
import pwd
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

PATIENCE = 60  # seconds, for anything that is waited for
NAME = f"warroom-t{os.getpid()}"
SSHD = shutil.which("sshd") or "/usr/sbin/sshd"


def lacking():
    """What is not there, in words."""
    if os.geteuid() != 0:
        return "it is not run as root"
    tools = [tool for tool in ("ssh", "ssh-keygen", "useradd", "userdel", "groupadd", "groupdel") if not shutil.which(tool)]
    if not os.access(SSHD, os.X_OK):
        tools.append("sshd")
    return f"there is no {', '.join(tools)}" if tools else None


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}: {done.stdout}{done.stderr}")
    return done


@contextlib.contextmanager
def second_user():
    """A user of a group of its own, who has no password and no home."""
    run("groupadd", NAME)
    try:
        # A password that nothing matches; the usual "!" would lock the account for keys too.
        run("useradd", "--password", "*", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/bin/sh", "--gid", NAME, NAME)
        try:
            yield pwd.getpwnam(NAME)
        finally:
            run("userdel", NAME)
    finally:
        # userdel takes the group along where login.defs says so.
        with contextlib.suppress(KeyError):
            grp.getgrnam(NAME)
            run("groupdel", NAME)


class House:
    """A responder's record that the group may read, and an sshd for the others."""

    def __init__(self, program, folder):
        self.folder = folder
        self.program = self.path("bin", "warroom")
        os.makedirs(self.path("bin"), mode=0o755)
        shutil.copy(program, self.program)
        os.chmod(self.program, 0o755)
        os.makedirs(self.path("config", "warroom"), mode=0o755)
        with open(self.path("config", "warroom", "config.toml"), "w") as config:
            config.write(f'[record]\ndir = "{self.path("incidents")}"\ngroup = "{NAME}"\n')
        self.port = self.free_port()
        self.sshd = None

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    @staticmethod
    def free_port():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    def responder(self, *arguments):
        env = {"PATH": os.environ["PATH"], "HOME": self.folder, "USER": "root", "LANG": "C.UTF-8"}
        env |= {"XDG_CONFIG_HOME": self.path("config"), "XDG_STATE_HOME": self.path("state")}
        return run(self.program, *arguments, env=env).stdout.strip()

    def serve(self):
        for name in ("host", "client"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.path(name))
        shutil.copy(self.path("client.pub"), self.path("authorized"))
        os.chmod(self.path("authorized"), 0o644)
        os.makedirs("/run/sshd", exist_ok=True)
        with open(self.path("sshd_config"), "w") as config:
            config.write(
                f"""ListenAddress 127.0.0.1
Port {self.port}
HostKey {self.path("host")}
PidFile none
AuthorizedKeysFile {self.path("authorized")}
StrictModes no
UsePAM no
PasswordAuthentication no
Match Group {NAME}
    SetEnv XDG_CONFIG_HOME={self.path("config")} LANG=C.UTF-8
    ForceCommand {self.program} watch
    DisableForwarding yes
"""
            )
        log = open(self.path("sshd.log"), "w")
        self.sshd = subprocess.Popen([SSHD, "-D", "-e", "-f", self.path("sshd_config")], stderr=log)
        end = time.monotonic() + PATIENCE
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                    return
            except OSError:
                if self.sshd.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(open(self.path("sshd.log")).read()) from None
                select.select([], [], [], 0.05)

    def ssh(self, *command):
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "IdentitiesOnly=yes", "LogLevel=ERROR"]
        flags = [flag for option in options for flag in ("-o", option)]
        return ["ssh", "-F", "none", *flags, "-i", self.path("client"), "-p", str(self.port), *command]

    def end(self):
        if self.sshd:
            self.sshd.terminate()
            self.sshd.wait(timeout=PATIENCE)


class Terminal:
    """The second user at a terminal."""

    def __init__(self, command):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "xterm-256color"
            os.execvp(command[0], command)
        self.seen = b""

    def until(self, text):
        end = time.monotonic() + PATIENCE
        while text.encode() not in self.seen:
            if time.monotonic() > end or not self.more(end):
                raise AssertionError(f"{text!r} was not shown: {self.seen[-2000:]!r}")

    def more(self, end):
        ready, _, _ = select.select([self.fd], [], [], max(0.0, end - time.monotonic()))
        if not ready:
            return False
        try:
            got = os.read(self.fd, 65536)
        except OSError:
            return False
        self.seen += got
        return bool(got)

    def press(self, keys):
        os.write(self.fd, keys.encode())

    def ended(self):
        end = time.monotonic() + PATIENCE
        while self.more(end):
            pass
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)

    def kill(self):
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


def the_second_user_sees_the_incident_and_keys_do_nothing_else(house, incident):
    terminal = Terminal(house.ssh("-tt", f"{NAME}@127.0.0.1"))
    try:
        terminal.until("some checkouts fail")
        terminal.until("read-only")
        terminal.press("x:!wsa\r\x1b")
        house.responder("incident", "note", incident, "a note that is not for them")
        house.responder("incident", "close", incident)
        terminal.until("closed at")
        assert b"not for them" not in terminal.seen
        terminal.press("q")
        assert terminal.ended() == 0
    finally:
        terminal.kill()


def any_other_command_is_not_run(house, incident):
    for command in ("cat /etc/passwd", "id", f"{house.program} incident note {incident} hello"):
        asked = subprocess.run(
            house.ssh(f"{NAME}@127.0.0.1", command), capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL
        )
        said = asked.stdout + asked.stderr
        # `watch` needs a terminal unless it is told --plain: it says so, and nothing else happens.
        assert "terminal" in said or "No incident is open" in said, said
        assert "root:" not in said and "uid=" not in said, said
    assert "hello" not in house.responder("incident", "show", incident)


def the_second_user_cannot_write_the_record(house, incident):
    def attempt(*command):
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, user=NAME, group=NAME, extra_groups=[])

    journal = house.path("incidents", incident, "journal")
    file = os.path.join(journal, sorted(os.listdir(journal))[0])
    assert attempt("cat", file).returncode == 0, "reading is what the group is for"
    assert attempt("sh", "-c", f"echo x >> {file}").returncode != 0
    assert attempt("touch", os.path.join(journal, "x")).returncode != 0
    assert attempt("rm", "-f", file).returncode != 0
    assert "every byte is as it was written" in house.responder("incident", "verify", incident)


CHECKS = [
    any_other_command_is_not_run,
    the_second_user_sees_the_incident_and_keys_do_nothing_else,
    the_second_user_cannot_write_the_record,
]


def main():
    if why := lacking():
        print(f"tests/ssh/check.py: {why}", file=sys.stderr)
        return 3
    passed = failed = 0
    # Everybody may pass through the folder: only the record is for the group.
    with tempfile.TemporaryDirectory(prefix="warroom-ssh-") as folder, second_user():
        os.chmod(folder, 0o755)
        house = House(sys.argv[1], folder)
        try:
            incident = house.responder("incident", "open", "some checkouts fail").splitlines()[-1]
            house.serve()
            for check in CHECKS:
                try:
                    check(house, incident)
                    passed += 1
                    print(f"ssh: {check.__name__} ... ok")
                except Exception:
                    failed += 1
                    print(f"ssh: {check.__name__} ... FAILED")
                    traceback.print_exc()
        finally:
            house.end()
    print(f"ssh: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
