package plane

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

const usage = `controlplane run [--nodes N] [--pods-per-node N] [--data DIR] [-- COMMAND…]
controlplane ask REQUEST      (controlplane ask help lists them)
`

// Main is the program under the name `controlplane`; it returns the exit code.
func Main(arguments []string) int {
	if len(arguments) > 0 && arguments[0] == "ask" {
		return ask(arguments[1:])
	}
	if len(arguments) == 0 || arguments[0] != "run" {
		fmt.Fprint(os.Stderr, usage)
		return 2
	}
	var options Options
	flags := flag.NewFlagSet("controlplane run", flag.ContinueOnError)
	flags.IntVar(&options.Nodes, "nodes", 3, "how many nodes are simulated")
	flags.IntVar(&options.PodsPerNode, "pods-per-node", 110, "how many pods each node takes")
	flags.StringVar(&options.Data, "data", "", "the folder of everything, kept at the end (default: a temporary one)")
	if err := flags.Parse(arguments[1:]); err != nil {
		return 2
	}
	code, err := run(options, flags.Args())
	if err != nil {
		fmt.Fprintf(os.Stderr, "controlplane: %v\n", err)
	}
	return code
}

func run(options Options, command []string) (int, error) {
	if options.Data == "" {
		folder, err := os.MkdirTemp("", "warroom-plane-")
		if err != nil {
			return 1, err
		}
		defer os.RemoveAll(folder)
		options.Data = folder
	}
	data, err := filepath.Abs(options.Data)
	if err != nil {
		return 1, err
	}
	options.Data = data

	// Heard from here on, so that a signal while it starts ends what has started.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	heard := make(chan os.Signal, 4)
	go func() {
		for one := range signals {
			cancel()
			heard <- one
		}
	}()
	log := func(format string, arguments ...any) {
		fmt.Fprintf(os.Stderr, "controlplane: "+format+"\n", arguments...)
	}
	begun := time.Now()
	plane, err := Start(ctx, options, log)
	if err != nil {
		return 1, err
	}
	defer plane.End()
	log("%d nodes on %s, ready after %.1f s", options.Nodes, plane.Kubeconfig(), time.Since(begun).Seconds())

	socket := filepath.Join(options.Data, "control")
	_ = os.Remove(socket)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return 1, fmt.Errorf("listen for requests: %w", err)
	}
	defer listener.Close()
	go plane.listen(listener)

	exports := map[string]string{
		"WARROOM_REAL_KUBECONFIG": plane.Kubeconfig(),
		controlVariable:           socket,
		"PATH":                    filepath.Dir(plane.self) + string(os.PathListSeparator) + os.Getenv("PATH"),
	}
	if len(command) == 0 {
		for name, value := range exports {
			fmt.Printf("export %s='%s'\n", name, value)
		}
		<-heard
		return 0, nil
	}
	for name, value := range exports {
		if err := os.Setenv(name, value); err != nil {
			return 1, err
		}
	}
	return under(command, heard)
}

// under runs the command and gives its exit code. A signal that ends this program ends the command
// first: it may still want to say something to the plane.
func under(words []string, heard <-chan os.Signal) (int, error) {
	command := exec.Command(words[0], words[1:]...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := command.Start(); err != nil {
		return 127, err
	}
	over := make(chan error, 1)
	go func() { over <- command.Wait() }()
	var late <-chan time.Time
	for {
		select {
		case err := <-over:
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
					return 128 + int(status.Signal()), nil
				}
				return exit.ExitCode(), nil
			}
			if err != nil {
				return 1, err
			}
			return 0, nil
		case one := <-heard:
			// A terminal has sent SIGINT to the command as well, which does no harm.
			_ = command.Process.Signal(one)
			if late == nil {
				late = time.After(10 * time.Second)
			}
		case <-late:
			_ = command.Process.Kill()
		}
	}
}
