package plane

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is a server that this program started, and nothing else.
type process struct {
	command *exec.Cmd
	// over is closed when it ended and was waited for.
	over chan struct{}
}

// spawns are done one after the other by one thread that lives as long as the program: the kernel
// ends a child when the *thread* that made it ends (see dieWithParent).
var spawns = func() chan<- func() {
	queue := make(chan func())
	go func() {
		runtime.LockOSThread()
		for spawn := range queue {
			spawn()
		}
	}()
	return queue
}()

// startProcess starts a program under the name arguments[0], its output appended to a file. It is in
// a process group of its own, so that Ctrl-C in a terminal reaches only this program, which then
// ends what it started in its own order.
func startProcess(program string, arguments []string, log string) (*process, error) {
	output, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	command := &exec.Cmd{Path: program, Args: arguments, Env: serverEnvironment(), Stdout: output, Stderr: output,
		SysProcAttr: dieWithParent(&syscall.SysProcAttr{Setpgid: true})}
	done := make(chan error)
	spawns <- func() { done <- command.Start() }
	if err := <-done; err != nil {
		return nil, err
	}
	started := &process{command: command, over: make(chan struct{})}
	go func() {
		// Its exit code says nothing that its log does not.
		_ = command.Wait()
		close(started.over)
	}()
	return started, nil
}

// serverEnvironment is this program's own without any proxy: all that a server talks to is on
// loopback, and etcd takes its flags from variables too.
func serverEnvironment() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TMPDIR=" + os.TempDir(), "no_proxy=*", "NO_PROXY=*"}
}

func (p *process) running() bool {
	select {
	case <-p.over:
		return false
	default:
		return true
	}
}

// signal sends a signal, unless the process was waited for: its id may be another's by now.
func (p *process) signal(which os.Signal) error {
	if !p.running() {
		return os.ErrProcessDone
	}
	return p.command.Process.Signal(which)
}

// end asks a process to end, insists after a while, and returns when it is gone.
func (p *process) end(grace time.Duration) {
	// One that is stopped would never hear of the rest.
	_ = p.signal(syscall.SIGCONT)
	_ = p.signal(syscall.SIGTERM)
	select {
	case <-p.over:
		return
	case <-time.After(grace):
	}
	_ = p.signal(syscall.SIGKILL)
	<-p.over
}
