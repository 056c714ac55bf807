package plane

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// errPortTaken: another process bound a port between the choice and the server's start.
var errPortTaken = errors.New("a port was taken by another process")

// ports are those that must be known before the server that binds them starts; the simulated
// nodes choose theirs themselves, controller manager and scheduler need none.
type ports struct {
	etcdClient, etcdPeer, apiServer int
}

// The range lies below those from which Linux (32768) and others (49152) take the ports of outgoing
// connections, so a server that is killed and started again finds its port still free.
const lowest, highest = 20000, 32000

func freePorts() (ports, error) {
	var found [3]int
	for index := range found {
		// Held until all are chosen, so that no port is chosen twice.
		listener, port, err := freePort()
		if err != nil {
			return ports{}, err
		}
		defer listener.Close()
		found[index] = port
	}
	return ports{etcdClient: found[0], etcdPeer: found[1], apiServer: found[2]}, nil
}

func freePort() (net.Listener, int, error) {
	for range 200 {
		port := lowest + rand.IntN(highest-lowest)
		if listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return listener, port, nil
		}
	}
	return nil, 0, fmt.Errorf("no free port of 127.0.0.1 between %d and %d", lowest, highest)
}
