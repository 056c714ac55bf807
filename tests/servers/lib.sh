# shellcheck shell=bash
# Shared by tests/servers/*/build and tests/servers/*/run. A folder here is one system:
#
#   build            makes what is missing of its programs, outside the tree; can be repeated and
#                    interrupted. Ends with 0 when all is there, else says in one line what is not.
#   run -- COMMAND   starts the servers on free loopback ports, says in the environment where they
#                    are (WARROOM_REAL_…), runs COMMAND, ends what it started by process id, and
#                    ends as COMMAND did.
set -euo pipefail

# shellcheck disable=SC2034 # for those that include this
servers=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${WARROOM_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/warroom-tests}
mkdir -p "$cache"

say() { printf '%s: %s\n' "${0#"$PWD"/}" "$*" >&2; }
fail() { say "$@"; exit 1; }

# stamped NAME STAMP BUILDER: makes $cache/NAME by `BUILDER FOLDER`, unless it is there and was made
# from the same STAMP. Half a folder never has the name of a whole one, and two runs at once wait
# for each other.
stamped() {
    local goal=$cache/$1 stamp=$2 builder=$3
    exec 9>"$goal.lock"
    flock 9
    if [[ ! -e $goal/stamp || $(<"$goal/stamp") != "$stamp" ]]; then
        rm -rf "$goal" "$goal.new"
        mkdir -p "$goal.new"
        "$builder" "$goal.new" >"$goal.log" 2>&1 || {
            tail -n 20 "$goal.log" >&2
            return 1
        }
        printf '%s\n' "$stamp" >"$goal.new/stamp"
        mv "$goal.new" "$goal"
    fi
    exec 9>&-
}

# packages NAME...: Debian's, if this is Debian and we may. Only this needs root.
packages() {
    command -v apt-get >/dev/null || fail "there is no ${*}, and no apt-get to install it"
    ((EUID == 0)) || fail "install it first: sudo apt-get install --no-install-recommends $*"
    # They start services of their own, which a test machine does not need; a policy-rc.d is how
    # Debian is told so.
    local policy=/usr/sbin/policy-rc.d made='' status=0
    if [[ ! -e $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && made=$policy
        # shellcheck disable=SC2064
        trap "rm -f '$policy'" EXIT
    fi
    export DEBIAN_FRONTEND=noninteractive
    local install=(apt-get install -qq --no-install-recommends "$@")
    # The lists of a fresh machine are empty or old.
    { "${install[@]}" || { apt-get update -qq && "${install[@]}"; }; } >"$cache/apt.log" 2>&1 </dev/null || status=$?
    [[ -z $made ]] || rm -f "$made"
    if ((status != 0)); then
        tail -n 20 "$cache/apt.log" >&2
        fail "apt-get could not install $*"
    fi
}

# How Go compiles what is only to be tested against: without what debuggers read, a sixth of the
# work; and, where nobody measures how fast a server is, not optimised either, two fifths of it
# (CPU time of k8s.io/api: 92, 77 and 54 s).
go_lean='-gcflags=all=-dwarf=false'
go_quick='-gcflags=all=-N -l -dwarf=false'

# free_port: a loopback port that nobody listens on. No other run is given it as long as this shell
# lives ($$ is its number in a subshell, too), and it lies below those that the system hands out by
# itself, so that no client's connection takes it before the server does.
free_port() {
    local ports=$cache/ports port
    mkdir -p "$ports"
    exec 8>"$ports/lock"
    flock 8
    while port=$(python3 -c '
import random, socket
while True:
    port = random.randrange(20000, 32000)
    try:
        socket.socket().bind(("127.0.0.1", port))
    except OSError:
        continue
    print(port)
    break') && [[ -e $ports/$port ]] && kill -0 "$(<"$ports/$port")" 2>/dev/null; do :; done
    printf '%s\n' $$ >"$ports/$port"
    exec 8>&-
    printf '%s\n' "$port"
}

# From here on what `start` started is ended when this shell ends, its ports are given back, and the
# folder of logs goes.
declare -A started=()
serving() {
    logs=$(mktemp -d)
    trap 'ended' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}
ended() {
    local pid port
    for pid in "${started[@]}"; do
        if kill "$pid" 2>/dev/null; then wait "$pid" 2>/dev/null || true; fi
    done
    for port in "$cache"/ports/[0-9]*; do
        if [[ -e $port && $(<"$port") == "$$" ]]; then rm -f "$port"; fi
    done
    rm -rf "$logs"
}

# start NAME PROGRAM [ARGUMENT]...: in the background, its output in $logs/NAME.log.
start() {
    local name=$1
    shift
    "$@" >"$logs/$name.log" 2>&1 </dev/null &
    started[$name]=$!
}

# answers NAME URL: any HTTP answer will do; only a refused connection means that it is not there yet.
# One that has ended does not answer, whoever else does there.
answers() {
    local deadline=$((SECONDS + 60)) answered=
    while [[ -z $answered ]]; do
        if curl -s -o /dev/null --noproxy '*' --max-time 2 "$2"; then answered=1; fi
        if ! kill -0 "${started[$1]}" 2>/dev/null; then
            cat "$logs/$1.log" >&2
            fail "$1 has ended before it answered at $2"
        fi
        if [[ -z $answered ]]; then
            if ((SECONDS >= deadline)); then
                cat "$logs/$1.log" >&2
                fail "$1 does not answer at $2"
            fi
            sleep 0.1
        fi
    done
}
