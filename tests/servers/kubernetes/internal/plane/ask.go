package plane

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// askHelp is what `controlplane ask help` prints.
const askHelp = `controlplane ask REQUEST: what a test can have done to the plane that runs it

  kill SERVER      end a server at once, as a crash does
  stop SERVER      end it in good order
  start SERVER     start it again, on its port, and wait until it is ready
  pause SERVER     hold it still: its connections stay open and nothing answers
  resume SERVER    let it go on
  compact          have etcd forget all but the present, as it does after five minutes
  node-down NODE   the node's kubelet falls silent
  node-up NODE     … and speaks again
  help             this

SERVER: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, simnode
`

// controlVariable names the socket of the plane to whoever runs under it.
const controlVariable = "WARROOM_REAL_CONTROL"

// listen answers requests, one a connection, until the listener is closed.
func (p *Plane) listen(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer connection.Close()
			line, err := bufio.NewReader(connection).ReadString('\n')
			if err != nil {
				return
			}
			answer := "done"
			if err := p.request(strings.Fields(line)); err != nil {
				answer = "error: " + err.Error()
			}
			fmt.Fprintln(connection, answer)
		}()
	}
}

// request does one thing that a test asked for and returns when it is done.
func (p *Plane) request(words []string) error {
	if len(words) == 1 && words[0] == "compact" {
		return p.compact()
	}
	if len(words) != 2 {
		return fmt.Errorf("no such request: %q; `controlplane ask help` lists them", strings.Join(words, " "))
	}
	what, name := words[0], words[1]
	switch what {
	case "node-down", "node-up":
		return p.silence(name, what == "node-down")
	case "start":
		return p.restart(name)
	}
	server, err := p.process(name)
	if err != nil {
		return err
	}
	switch what {
	case "kill":
		if err := server.signal(syscall.SIGKILL); err != nil {
			return err
		}
		<-server.over
		return nil
	case "stop":
		server.end(20 * time.Second)
		return nil
	case "pause":
		return server.signal(syscall.SIGSTOP)
	case "resume":
		return server.signal(syscall.SIGCONT)
	}
	return fmt.Errorf("no such request: %q; `controlplane ask help` lists them", what)
}

func (p *Plane) restart(name string) error {
	if _, err := p.process(name); err != nil {
		return err
	}
	if err := p.launch(name); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	switch name {
	case etcd:
		return p.await(ctx, name, "etcd answers", p.etcdAnswers)
	case apiServer:
		return p.await(ctx, name, "the API server is ready", p.apiServerReady)
	}
	return nil
}

// silence makes or removes the file that tells the simulated nodes who falls silent.
func (p *Plane) silence(node string, down bool) error {
	if node != filepath.Base(node) {
		return fmt.Errorf("no name of a node: %q", node)
	}
	path := filepath.Join(p.options.Data, "down", node)
	if down {
		return os.WriteFile(path, nil, 0o600)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// compact does what the API server does every five minutes (k8s.io/apiserver,
// pkg/storage/etcd3/compact.go): it writes the revision under compact_rev_key, from which the API
// server learns what it may no longer serve from its snapshots, and compacts.
func (p *Plane) compact() error {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{p.etcdURL()}, DialTimeout: 5 * time.Second})
	if err != nil {
		return fmt.Errorf("reach etcd: %w", err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	const key = "compact_rev_key"
	// Twice, because what is compacted stays readable: the first makes a version after the present.
	said, err := client.Put(ctx, key, "0")
	if err != nil {
		return fmt.Errorf("reach etcd: %w", err)
	}
	revision := said.Header.Revision
	if _, err := client.Put(ctx, key, strconv.FormatInt(revision, 10)); err != nil {
		return fmt.Errorf("say what is compacted: %w", err)
	}
	if _, err := client.Compact(ctx, revision, clientv3.WithCompactPhysical()); err != nil {
		return fmt.Errorf("compact etcd: %w", err)
	}
	return nil
}

// ask sends a request to the plane that this process runs under.
func ask(words []string) int {
	if len(words) == 0 || words[0] == "help" {
		fmt.Print(askHelp)
		return 0
	}
	socket := os.Getenv(controlVariable)
	if socket == "" {
		fmt.Fprintf(os.Stderr, "controlplane ask: %s is not set: this works under `tests/servers/kubernetes/run`\n", controlVariable)
		return 2
	}
	connection, err := net.Dial("unix", socket)
	if err != nil {
		fmt.Fprintf(os.Stderr, "controlplane ask: the plane does not answer: %v\n", err)
		return 1
	}
	defer connection.Close()
	fmt.Fprintln(connection, strings.Join(words, " "))
	answer, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil {
		fmt.Fprintf(os.Stderr, "controlplane ask %s: the plane ended without an answer: %v\n", strings.Join(words, " "), err)
		return 1
	}
	if answer != "done\n" {
		fmt.Fprintf(os.Stderr, "controlplane ask %s: %s", strings.Join(words, " "), answer)
		return 1
	}
	return 0
}
