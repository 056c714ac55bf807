// Package simnode simulates nodes: what a kubelet says to the API server and what it serves.
//
// It owns node leases and status (nodes.go), the life of pods (life.go, status.go, step.go), their
// logs (logs.go) and the figures of metrics.k8s.io (metrics.go). No container runs. It speaks to the
// API server as any client does and must not touch etcd.
//
// Annotations on a pod say how it fares. All but the delays may be changed while it runs:
//
//	sim/fail: crash         its first container runs for run-seconds, exits 1 and is restarted with a back-off
//	          oom           the same with exit code 137 and the reason OOMKilled
//	          not-ready     runs and never becomes ready; readiness returns with the annotation's removal
//	          pending       stays at ContainerCreating
//	          image-pull    stays at ImagePullBackOff
//	          config-error  stays at CreateContainerConfigError
//	          job-fail      its containers exit 1 after run-seconds (restartPolicy Never or OnFailure)
//	sim/start-delay   seconds until its containers start (0.2)
//	sim/ready-delay   seconds from there until it is ready (0)
//	sim/run-seconds   seconds until a container ends by itself: 1 for one that fails; 2 for a pod that is
//	                  not restarted always, where 0 means never
//	sim/back-off      seconds of the first back-off, doubled up to 30 (2)
//	sim/stop-delay    seconds that it takes to end (0.5), the grace period at most
//	sim/log-interval  seconds between two lines of log (1)
//	sim/cpu, sim/mem  millicores and MiB around which its use moves
package simnode

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/workqueue"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// workers write status at the same time; one pod is in the hands of one worker at most.
const workers = 16

type settings struct {
	kubeconfig, pki, down string
	nodes, podsPerNode    int
}

// sim is all simulated nodes together.
type sim struct {
	settings settings
	client   *kubernetes.Clientset
	names    map[string]bool
	queue    workqueue.TypedDelayingInterface[types.UID]

	mutex sync.Mutex
	lives map[types.UID]*life
	// byName finds the pod whose logs are asked for: of two with one name, the younger.
	byName map[types.NamespacedName]types.UID
}

// Main is the program under the name `simnode`; it returns the exit code.
func Main(arguments []string) int {
	var settings settings
	flags := flag.NewFlagSet("simnode", flag.ContinueOnError)
	flags.StringVar(&settings.kubeconfig, "kubeconfig", "", "how to reach the API server, as an administrator")
	flags.StringVar(&settings.pki, "pki", "", "the folder with simnode.crt and .key, ca.crt and front-ca.crt")
	flags.StringVar(&settings.down, "down", "", "a folder: a file in it with a node's name makes that node fall silent")
	flags.IntVar(&settings.nodes, "nodes", 3, "how many nodes")
	flags.IntVar(&settings.podsPerNode, "pods-per-node", 110, "how many pods each takes")
	if err := flags.Parse(arguments); err != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, settings); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintf(os.Stderr, "simnode: %v\n", err)
		return 1
	}
	return 0
}

func run(ctx context.Context, settings settings) error {
	config, err := clientcmd.BuildConfigFromFlags("", settings.kubeconfig)
	if err != nil {
		return err
	}
	// No limit of its own: 10,000 pods are to become ready as fast as the API server lets them.
	config.QPS = -1
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	s := &sim{
		settings: settings,
		client:   client,
		names:    map[string]bool{},
		queue:    workqueue.NewTypedDelayingQueue[types.UID](),
		lives:    map[types.UID]*life{},
		byName:   map[types.NamespacedName]types.UID{},
	}
	for index := range settings.nodes {
		s.names[nodeName(index)] = true
	}
	kubelet, err := s.serveKubelet()
	if err != nil {
		return fmt.Errorf("serve logs: %w", err)
	}
	metrics, err := s.serveMetrics()
	if err != nil {
		return fmt.Errorf("serve metrics.k8s.io: %w", err)
	}
	if err := s.registerMetrics(ctx, config, metrics); err != nil {
		return fmt.Errorf("register metrics.k8s.io: %w", err)
	}
	if err := s.registerNodes(ctx, kubelet); err != nil {
		return fmt.Errorf("register nodes: %w", err)
	}
	if err := s.followPods(ctx); err != nil {
		return fmt.Errorf("follow pods: %w", err)
	}
	for range workers {
		go func() {
			for s.work(ctx) {
			}
		}()
	}
	s.keepNodes(ctx, kubelet)
	s.queue.ShutDown()
	return nil
}

// followPods keeps `lives` as the API server's list and watch say, through restarts of the server.
func (s *sim) followPods(ctx context.Context) error {
	bound := fields.OneTermNotEqualSelector("spec.nodeName", "").String()
	factory := informers.NewSharedInformerFactoryWithOptions(s.client, 0,
		informers.WithTransform(slim),
		informers.WithTweakListOptions(func(options *metav1.ListOptions) { options.FieldSelector = bound }))
	informer := factory.Core().V1().Pods().Informer()
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    s.saw,
		UpdateFunc: func(_, pod any) { s.saw(pod) },
		DeleteFunc: s.lost,
	})
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		return ctx.Err()
	}
	return nil
}

// slim keeps of a pod what its life needs: a real one is 20 KB, and there are 10,000.
func slim(object any) (any, error) {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return object, nil
	}
	containers := func(all []corev1.Container) []corev1.Container {
		kept := make([]corev1.Container, len(all))
		for index, one := range all {
			kept[index] = corev1.Container{Name: one.Name, Image: one.Image}
		}
		return kept
	}
	kept := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: pod.Name, Namespace: pod.Namespace, UID: pod.UID, ResourceVersion: pod.ResourceVersion, Labels: pod.Labels,
			CreationTimestamp: pod.CreationTimestamp, Generation: pod.Generation,
			DeletionTimestamp: pod.DeletionTimestamp, DeletionGracePeriodSeconds: pod.DeletionGracePeriodSeconds,
		},
		Spec: corev1.PodSpec{
			NodeName: pod.Spec.NodeName, RestartPolicy: pod.Spec.RestartPolicy,
			Containers: containers(pod.Spec.Containers), InitContainers: containers(pod.Spec.InitContainers),
		},
		Status: corev1.PodStatus{
			Phase: pod.Status.Phase, Conditions: pod.Status.Conditions, QOSClass: pod.Status.QOSClass,
			StartTime: pod.Status.StartTime, ContainerStatuses: pod.Status.ContainerStatuses,
		},
	}
	for name, value := range pod.Annotations {
		if filepath.Dir(name) == "sim" {
			if kept.Annotations == nil {
				kept.Annotations = map[string]string{}
			}
			kept.Annotations[name] = value
		}
	}
	return kept, nil
}

func (s *sim) saw(object any) {
	pod, ok := object.(*corev1.Pod)
	if !ok || !s.names[pod.Spec.NodeName] {
		return
	}
	s.mutex.Lock()
	known := s.lives[pod.UID]
	if known == nil {
		known = newLife(pod, time.Now())
		s.lives[pod.UID] = known
	}
	known.pod = pod
	s.byName[types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}] = pod.UID
	s.mutex.Unlock()
	s.queue.Add(pod.UID)
}

func (s *sim) lost(object any) {
	if unknown, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = unknown.Obj
	}
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if gone := s.lives[pod.UID]; gone != nil {
		close(gone.gone)
		delete(s.lives, pod.UID)
	}
	name := types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}
	if s.byName[name] == pod.UID {
		delete(s.byName, name)
	}
}
