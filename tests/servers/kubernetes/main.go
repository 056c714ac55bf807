// One program with seven names: a Kubernetes control plane on loopback for tests.
//
// It looks at the name it was called by, as busybox does, because each of the five servers and
// tools of Kubernetes is a main program of its own and all of them share most of their code:
// one program of 134 MB takes the place of five of 60 to 130 MB each.
//
//	etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubectl: as others wrote them
//	simnode:      simulated nodes, see internal/simnode
//	controlplane: starts all of them, see internal/plane
//
// This file knows the names and nothing else.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"

	// The original main programs import these for what they register.
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"

	"warroom.test/kubernetes/internal/plane"
	"warroom.test/kubernetes/internal/simnode"
)

func main() {
	name := filepath.Base(os.Args[0])
	switch name {
	case "etcd":
		etcdmain.Main(os.Args)
	case "kube-apiserver":
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	case "kube-controller-manager":
		os.Exit(cli.Run(controllers.NewControllerManagerCommand()))
	case "kube-scheduler":
		os.Exit(cli.Run(scheduler.NewSchedulerCommand()))
	case "kubectl":
		os.Exit(cli.Run(kubectl.NewDefaultKubectlCommand()))
	case "simnode":
		os.Exit(simnode.Main(os.Args[1:]))
	case "controlplane":
		os.Exit(plane.Main(os.Args[1:]))
	default:
		fmt.Fprintf(os.Stderr, "%s: this program is called as etcd, kube-apiserver, kube-controller-manager, "+
			"kube-scheduler, kubectl, simnode or controlplane\n", name)
		os.Exit(2)
	}
}
