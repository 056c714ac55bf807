// Package plane starts a whole control plane on free loopback ports and ends it.
//
// It owns the order of starting, the servers' flags, ports and files, and the requests that a
// test may make of a running plane. It must not know what any server does inside, and it ends only
// processes that it started.
package plane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Options say how large a plane is and where it lives.
type Options struct {
	// Nodes is how many nodes are simulated.
	Nodes int
	// PodsPerNode is the capacity of each, 110 in the wild.
	PodsPerNode int
	// Data is the folder of everything that the plane writes.
	Data string
}

// patience is how long a plane may take to become ready: a warm one takes 4 s on a quiet machine.
const patience = 3 * time.Minute

// attempts at starting, each with new ports, when another process took one in between.
const attempts = 3

// Plane is a running control plane.
type Plane struct {
	options Options
	self    string
	ports   ports
	log     func(format string, arguments ...any)

	mutex     sync.Mutex
	processes map[string]*process
}

// Start starts everything and returns when pods can be made. A plane that does not become ready
// is ended, and the error carries the last lines of the log of the server that was in the way.
func Start(ctx context.Context, options Options, log func(string, ...any)) (*Plane, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	for _, folder := range []string{"log", "pki", "down"} {
		if err := os.MkdirAll(filepath.Join(options.Data, folder), 0o700); err != nil {
			return nil, err
		}
	}
	var last error
	for range attempts {
		ports, err := freePorts()
		if err != nil {
			return nil, err
		}
		if err := writeFiles(options.Data, ports); err != nil {
			return nil, fmt.Errorf("write the plane's files: %w", err)
		}
		plane := &Plane{options: options, self: self, ports: ports, log: log, processes: map[string]*process{}}
		last = plane.start(ctx)
		if last == nil {
			return plane, nil
		}
		plane.End()
		if !errors.Is(last, errPortTaken) || ctx.Err() != nil {
			break
		}
		log("a port was taken by another process: once more")
	}
	return nil, last
}

func (p *Plane) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := p.launch(etcd); err != nil {
		return err
	}
	if err := p.await(ctx, etcd, "etcd answers", p.etcdAnswers); err != nil {
		return err
	}
	if err := p.launch(apiServer); err != nil {
		return err
	}
	if err := p.await(ctx, apiServer, "the API server is ready", p.apiServerReady); err != nil {
		return err
	}
	for _, name := range []string{controllerManager, scheduler, simulatedNodes} {
		if err := p.launch(name); err != nil {
			return err
		}
	}
	if err := p.await(ctx, simulatedNodes, "the nodes are ready", p.nodesReady); err != nil {
		return err
	}
	if err := p.await(ctx, controllerManager, "the controllers work", p.controllersWork); err != nil {
		return err
	}
	return p.await(ctx, simulatedNodes, "metrics.k8s.io is served", p.metricsServed)
}

// launch starts one server; it must not run already.
func (p *Plane) launch(name string) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if old := p.processes[name]; old != nil && old.running() {
		return fmt.Errorf("%s runs already", name)
	}
	started, err := startProcess(p.program(name), append([]string{name}, p.arguments(name)...),
		filepath.Join(p.options.Data, "log", name+".log"))
	if err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	p.processes[name] = started
	return nil
}

// program is where a server's program is: this one, or what KUBEBUILDER_ASSETS names.
func (p *Plane) program(name string) string {
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	if assets != "" && (name == etcd || name == apiServer) {
		path := filepath.Join(assets, name)
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path
		}
	}
	return p.self
}

func (p *Plane) process(name string) (*process, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	found := p.processes[name]
	if found == nil {
		return nil, fmt.Errorf("no server is called %q", name)
	}
	return found, nil
}

// await asks until ready says yes, the server dies or the context ends.
func (p *Plane) await(ctx context.Context, name, what string, ready func(context.Context) error) error {
	server, err := p.process(name)
	if err != nil {
		return err
	}
	last := errors.New("it was not asked yet")
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		once, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := ready(once)
		cancel()
		if err == nil {
			return nil
		}
		last = err
		select {
		case <-server.over:
			tail := p.tail(name)
			if strings.Contains(tail, "address already in use") {
				return fmt.Errorf("%s: %w", name, errPortTaken)
			}
			return fmt.Errorf("%s ended before %s; its last words:\n%s", name, what, tail)
		case <-ctx.Done():
			return fmt.Errorf("waited that %s: %w (%v); the last words of %s:\n%s", what, last, ctx.Err(), name, p.tail(name))
		case <-ticker.C:
		}
	}
}

// tail is the end of a server's log.
func (p *Plane) tail(name string) string {
	bytes, err := os.ReadFile(filepath.Join(p.options.Data, "log", name+".log"))
	if err != nil {
		return err.Error()
	}
	const most = 4000
	if len(bytes) > most {
		bytes = bytes[len(bytes)-most:]
	}
	return string(bytes)
}

// End ends every server, all at once: nobody needs what they would still write.
func (p *Plane) End() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	var group sync.WaitGroup
	for _, one := range p.processes {
		group.Add(1)
		go func() {
			defer group.Done()
			one.end(2 * time.Second)
		}()
	}
	group.Wait()
}

// Kubeconfig is the path of an administrator's kubeconfig.
func (p *Plane) Kubeconfig() string {
	return filepath.Join(p.options.Data, "admin.kubeconfig")
}
