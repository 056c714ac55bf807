package simnode

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"
	aggregation "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	aggregator "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset"
	metricsv1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
)

// window is over how long a figure is measured, and how often it changes: metrics-server's own.
const window = 15 * time.Second

const metricsVersion = "metrics.k8s.io/v1beta1"

// use is what a container consumes: CPU in millicores and memory in MiB, which swing by 30 % around
// what the annotations say and change once a window.
//
// No figure is a round one: metrics-server's are not, and a round one would be written in a larger unit.
func (l *life) use(container string, at time.Time) (cpu, memory int64) {
	hash := fnv.New32a()
	fmt.Fprint(hash, l.pod.UID, container)
	own := float64(hash.Sum32() % 1000)
	swing := 1 + 0.3*math.Sin(float64(at.Unix())/60+own)
	return int64(l.number("cpu", 20+math.Mod(own, 200)) * swing), int64(l.number("mem", 32+math.Mod(own, 400)) * swing)
}

func quantities(cpu, memory int64) corev1.ResourceList {
	return corev1.ResourceList{
		// In the units that metrics-server uses: nanocores and KiB.
		corev1.ResourceCPU:    *resource.NewScaledQuantity(cpu*1_000_000+345_678+cpu%1000, resource.Nano),
		corev1.ResourceMemory: *resource.NewQuantity(memory<<20+(1+memory%1000)<<10, resource.BinarySI),
	}
}

// podMetrics are those of pods whose containers run.
func (s *sim) podMetrics(namespace, name string, selector labels.Selector) []metricsv1.PodMetrics {
	at := time.Now().Truncate(window)
	all := []metricsv1.PodMetrics{}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, l := range s.lives {
		pod := l.pod
		if l.stage != running || namespace != "" && pod.Namespace != namespace || name != "" && pod.Name != name ||
			!selector.Matches(labels.Set(pod.Labels)) {
			continue
		}
		one := metricsv1.PodMetrics{
			TypeMeta:   metav1.TypeMeta{Kind: "PodMetrics", APIVersion: metricsVersion},
			ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace, Labels: pod.Labels, CreationTimestamp: metav1.Now()},
			Timestamp:  metav1.NewTime(at), Window: metav1.Duration{Duration: window},
		}
		for _, container := range pod.Spec.Containers {
			one.Containers = append(one.Containers, metricsv1.ContainerMetrics{
				Name: container.Name, Usage: quantities(l.use(container.Name, at))})
		}
		all = append(all, one)
	}
	return all
}

func (s *sim) nodeMetrics(name string) []metricsv1.NodeMetrics {
	at := time.Now().Truncate(window)
	type sum struct{ cpu, memory int64 }
	sums := map[string]sum{}
	s.mutex.Lock()
	for _, l := range s.lives {
		if l.stage != running {
			continue
		}
		total := sums[l.pod.Spec.NodeName]
		for _, container := range l.pod.Spec.Containers {
			cpu, memory := l.use(container.Name, at)
			total.cpu += cpu
			total.memory += memory
		}
		sums[l.pod.Spec.NodeName] = total
	}
	s.mutex.Unlock()
	all := []metricsv1.NodeMetrics{}
	for index := range s.settings.nodes {
		node := nodeName(index)
		if name != "" && name != node {
			continue
		}
		// What the system itself takes comes on top.
		all = append(all, metricsv1.NodeMetrics{
			TypeMeta:   metav1.TypeMeta{Kind: "NodeMetrics", APIVersion: metricsVersion},
			ObjectMeta: metav1.ObjectMeta{Name: node, CreationTimestamp: metav1.Now()},
			Timestamp:  metav1.NewTime(at), Window: metav1.Duration{Duration: window},
			Usage: quantities(150+sums[node].cpu, 900+sums[node].memory),
		})
	}
	return all
}

func answer(out http.ResponseWriter, code int, object any) {
	out.Header().Set("Content-Type", "application/json")
	out.WriteHeader(code)
	// A client that has gone away is no matter of the server's.
	_ = json.NewEncoder(out).Encode(object)
}

func notFound(out http.ResponseWriter, message string) {
	answer(out, http.StatusNotFound, metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
		Reason: metav1.StatusReasonNotFound, Code: http.StatusNotFound, Message: message,
	})
}

// serveMetrics serves metrics.k8s.io on a free port, in JSON, and gives that port.
func (s *sim) serveMetrics() (int, error) {
	routes := http.NewServeMux()
	version := metav1.GroupVersionForDiscovery{GroupVersion: metricsVersion, Version: "v1beta1"}
	routes.HandleFunc("GET /apis/metrics.k8s.io", func(out http.ResponseWriter, _ *http.Request) {
		answer(out, http.StatusOK, metav1.APIGroup{TypeMeta: metav1.TypeMeta{Kind: "APIGroup", APIVersion: "v1"},
			Name: "metrics.k8s.io", Versions: []metav1.GroupVersionForDiscovery{version}, PreferredVersion: version})
	})
	routes.HandleFunc("GET /apis/metrics.k8s.io/v1beta1", func(out http.ResponseWriter, _ *http.Request) {
		verbs := metav1.Verbs{"get", "list"}
		answer(out, http.StatusOK, metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"},
			GroupVersion: metricsVersion, APIResources: []metav1.APIResource{
				{Name: "nodes", Kind: "NodeMetrics", Verbs: verbs}, {Name: "pods", Namespaced: true, Kind: "PodMetrics", Verbs: verbs}}})
	})
	pods := func(out http.ResponseWriter, request *http.Request) {
		selector, err := labels.Parse(request.URL.Query().Get("labelSelector"))
		if err != nil {
			http.Error(out, err.Error(), http.StatusBadRequest)
			return
		}
		found := s.podMetrics(request.PathValue("namespace"), request.PathValue("name"), selector)
		if name := request.PathValue("name"); name != "" {
			if len(found) == 0 {
				notFound(out, fmt.Sprintf("podmetrics.metrics.k8s.io %q not found", request.PathValue("namespace")+"/"+name))
				return
			}
			answer(out, http.StatusOK, found[0])
			return
		}
		answer(out, http.StatusOK, metricsv1.PodMetricsList{
			TypeMeta: metav1.TypeMeta{Kind: "PodMetricsList", APIVersion: metricsVersion}, Items: found})
	}
	routes.HandleFunc("GET /apis/metrics.k8s.io/v1beta1/pods", pods)
	routes.HandleFunc("GET /apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods", pods)
	routes.HandleFunc("GET /apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods/{name}", pods)
	routes.HandleFunc("GET /apis/metrics.k8s.io/v1beta1/nodes", func(out http.ResponseWriter, _ *http.Request) {
		answer(out, http.StatusOK, metricsv1.NodeMetricsList{
			TypeMeta: metav1.TypeMeta{Kind: "NodeMetricsList", APIVersion: metricsVersion}, Items: s.nodeMetrics("")})
	})
	routes.HandleFunc("GET /apis/metrics.k8s.io/v1beta1/nodes/{name}", func(out http.ResponseWriter, request *http.Request) {
		found := s.nodeMetrics(request.PathValue("name"))
		if len(found) == 0 {
			notFound(out, fmt.Sprintf("nodemetrics.metrics.k8s.io %q not found", request.PathValue("name")))
			return
		}
		answer(out, http.StatusOK, found[0])
	})
	routes.HandleFunc("/", func(out http.ResponseWriter, _ *http.Request) {
		notFound(out, "the server could not find the requested resource")
	})
	return s.listen(routes, "front-ca.crt")
}

// registerMetrics has the API server hand requests for metrics.k8s.io to this program: an APIService
// that names a Service whose address is loopback's name.
func (s *sim) registerMetrics(ctx context.Context, config *rest.Config, port int) error {
	// The aggregator's types have no protobuf form that this client could send.
	plain := rest.CopyConfig(config)
	plain.ContentType, plain.AcceptContentTypes = "application/json", "application/json"
	client, err := aggregator.NewForConfig(plain)
	if err != nil {
		return err
	}
	trusted, err := os.ReadFile(filepath.Join(s.settings.pki, "ca.crt"))
	if err != nil {
		return err
	}
	number := int32(port)
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "metrics-server"},
		Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "localhost",
			Ports: []corev1.ServicePort{{Port: number}}},
	}
	api := &aggregation.APIService{
		ObjectMeta: metav1.ObjectMeta{Name: "v1beta1.metrics.k8s.io"},
		Spec: aggregation.APIServiceSpec{Group: "metrics.k8s.io", Version: "v1beta1", GroupPriorityMinimum: 100, VersionPriority: 100,
			CABundle: trusted, Service: &aggregation.ServiceReference{Name: "metrics-server", Namespace: metav1.NamespaceSystem, Port: &number}},
	}
	// The namespace is made by the API server itself, a moment after it is ready.
	deadline := time.Now().Add(time.Minute)
	services := s.client.CoreV1().Services(metav1.NamespaceSystem)
	for {
		_ = services.Delete(ctx, service.Name, metav1.DeleteOptions{})
		_, err = services.Create(ctx, service, metav1.CreateOptions{})
		if err == nil || time.Now().After(deadline) || ctx.Err() != nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil {
		return err
	}
	registered := client.ApiregistrationV1().APIServices()
	if err := registered.Delete(ctx, api.Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	_, err = registered.Create(ctx, api, metav1.CreateOptions{})
	return err
}
