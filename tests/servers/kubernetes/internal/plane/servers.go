package plane

import (
	"fmt"
	"path/filepath"
	"strconv"
)

// The names by which this program starts itself as a server.
const (
	etcd              = "etcd"
	apiServer         = "kube-apiserver"
	controllerManager = "kube-controller-manager"
	scheduler         = "kube-scheduler"
	simulatedNodes    = "simnode"
)

// arguments are a server's command line. Controller manager and scheduler serve nothing
// (--secure-port=0): no test asks them, and it spares two ports.
func (p *Plane) arguments(name string) []string {
	data := p.options.Data
	pki := func(file string) string { return filepath.Join(data, "pki", file) }
	kubeconfig := "--kubeconfig=" + filepath.Join(data, name+".kubeconfig")
	switch name {
	case etcd:
		peer := "http://127.0.0.1:" + strconv.Itoa(p.ports.etcdPeer)
		return []string{
			"--name=plane", "--data-dir=" + filepath.Join(data, "etcd"),
			// What a machine that loses its power would lose is of no use to anybody.
			"--unsafe-no-fsync",
			"--listen-client-urls=" + p.etcdURL(), "--advertise-client-urls=" + p.etcdURL(),
			"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer,
			"--initial-cluster=plane=" + peer,
		}
	case apiServer:
		return []string{
			"--etcd-servers=" + p.etcdURL(),
			"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
			"--secure-port=" + strconv.Itoa(p.ports.apiServer),
			// Loopback is no address for the endpoints of a Service.
			"--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.96.0.0/16",
			"--allow-privileged=true", "--authorization-mode=Node,RBAC",
			"--client-ca-file=" + pki("ca.crt"),
			"--tls-cert-file=" + pki("apiserver.crt"), "--tls-private-key-file=" + pki("apiserver.key"),
			"--service-account-issuer=https://kubernetes.default.svc",
			"--service-account-key-file=" + pki("sa.pub"), "--service-account-signing-key-file=" + pki("sa.key"),
			// Aggregation: metrics.k8s.io is served by the simulated nodes.
			"--requestheader-client-ca-file=" + pki("front-ca.crt"), "--requestheader-allowed-names=front-proxy-client",
			"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
			"--requestheader-extra-headers-prefix=X-Remote-Extra-",
			"--proxy-client-cert-file=" + pki("front.crt"), "--proxy-client-key-file=" + pki("front.key"),
			"--kubelet-certificate-authority=" + pki("ca.crt"),
			"--kubelet-client-certificate=" + pki("kubelet-client.crt"), "--kubelet-client-key=" + pki("kubelet-client.key"),
			"--kubelet-preferred-address-types=InternalIP",
		}
	case controllerManager:
		return []string{
			kubeconfig, "--secure-port=0", "--leader-elect=false",
			"--kube-api-qps=500", "--kube-api-burst=1000", "--use-service-account-credentials=true",
			"--service-account-private-key-file=" + pki("sa.key"), "--root-ca-file=" + pki("ca.crt"),
			"--cluster-signing-cert-file=" + pki("ca.crt"), "--cluster-signing-key-file=" + pki("ca.key"),
			// A node that falls silent is told in 20 s instead of 50, an autoscaler acts in 5 instead of 15.
			"--node-monitor-period=2s", "--node-monitor-grace-period=20s",
			"--horizontal-pod-autoscaler-sync-period=5s", "--horizontal-pod-autoscaler-cpu-initialization-period=5s",
			"--horizontal-pod-autoscaler-initial-readiness-delay=1s",
		}
	case scheduler:
		return []string{kubeconfig, "--secure-port=0", "--leader-elect=false", "--kube-api-qps=500", "--kube-api-burst=1000"}
	case simulatedNodes:
		return []string{
			kubeconfig, "--pki=" + filepath.Join(data, "pki"), "--down=" + filepath.Join(data, "down"),
			fmt.Sprintf("--nodes=%d", p.options.Nodes), fmt.Sprintf("--pods-per-node=%d", p.options.PodsPerNode),
		}
	}
	return nil
}

func (p *Plane) etcdURL() string {
	return "http://127.0.0.1:" + strconv.Itoa(p.ports.etcdClient)
}
