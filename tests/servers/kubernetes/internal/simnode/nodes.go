package simnode

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-base/version"
)

// heartbeat is how often a node renews its lease: a quarter of what the controller manager
// waits before it calls a node silent. Status follows every twelfth time, once a minute; every
// second time, as a kubelet does every ten seconds, it looks at what others say of its node.
const heartbeat = 5 * time.Second

// leaseSeconds is the kubelet's own figure.
const leaseSeconds int32 = 40

func nodeName(index int) string {
	return fmt.Sprintf("node-%d", index)
}

// registerNodes makes the nodes and their leases; those of an earlier simulation are taken over.
func (s *sim) registerNodes(ctx context.Context, kubelet int) error {
	for index := range s.settings.nodes {
		name := nodeName(index)
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
			"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
			"node-role.kubernetes.io/worker":   "",
			"topology.kubernetes.io/region":    "sim",
			"topology.kubernetes.io/zone":      "zone-" + string(rune('a'+index%3)),
			"node.kubernetes.io/instance-type": "sim.large",
		}}}
		if _, err := s.client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
		holder, seconds, now := name, leaseSeconds, metav1.NowMicro()
		lease := &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, RenewTime: &now},
		}
		leases := s.client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
		if _, err := leases.Create(ctx, lease, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
		if err := s.reportNode(ctx, name, kubelet, time.Now()); err != nil {
			return err
		}
	}
	return nil
}

// keepNodes renews leases and status until the context ends.
func (s *sim) keepNodes(ctx context.Context, kubelet int) {
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	silent := map[string]bool{}
	ready := map[string]time.Time{}
	begun := time.Now()
	for beat := 0; ; beat++ {
		lost := map[string]bool{}
		if beat%2 == 1 {
			lost = s.lostNodes(ctx)
		}
		for index := range s.settings.nodes {
			name := nodeName(index)
			if _, err := os.Stat(filepath.Join(s.settings.down, name)); s.settings.down != "" && err == nil {
				silent[name] = true
				continue
			}
			err := s.renew(ctx, name)
			if silent[name] || ready[name].IsZero() {
				ready[name] = begun
				if silent[name] {
					ready[name] = time.Now()
				}
			}
			if lost[name] {
				ready[name] = time.Now()
			}
			// A node that comes back says at once that it is ready.
			if err == nil && (silent[name] || lost[name] || (beat+index)%12 == 0) {
				err = s.reportNode(ctx, name, kubelet, ready[name])
			}
			if err != nil && ctx.Err() == nil {
				fmt.Fprintf(os.Stderr, "simnode: the heartbeat of %s: %v\n", name, err)
				break // The API server is away: the others would only wait for it in turn.
			}
			delete(silent, name)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// lostNodes are those that the controller manager takes for silent: rightly or, after the API server
// was away, because it has not seen their leases renewed. What cannot be read is looked at next time.
func (s *sim) lostNodes(ctx context.Context) map[string]bool {
	ctx, cancel := context.WithTimeout(ctx, 2*heartbeat)
	defer cancel()
	lost := map[string]bool{}
	nodes, err := s.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return lost
	}
	for _, node := range nodes.Items {
		for _, condition := range node.Status.Conditions {
			if condition.Type == corev1.NodeReady && condition.Status != corev1.ConditionTrue {
				lost[node.Name] = true
			}
		}
	}
	return lost
}

func (s *sim) renew(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*heartbeat)
	defer cancel()
	body, err := json.Marshal(map[string]any{"spec": map[string]any{
		"holderIdentity": name, "leaseDurationSeconds": leaseSeconds, "renewTime": metav1.NowMicro(),
	}})
	if err != nil {
		return err
	}
	_, err = s.client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Patch(ctx, name, types.MergePatchType, body, metav1.PatchOptions{})
	return err
}

// reportNode writes a node's whole status; it has been ready since then.
func (s *sim) reportNode(ctx context.Context, name string, kubelet int, ready time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, 2*heartbeat)
	defer cancel()
	body, err := json.Marshal(map[string]any{"status": s.nodeStatus(name, kubelet, ready)})
	if err != nil {
		return err
	}
	_, err = s.client.CoreV1().Nodes().Patch(ctx, name, types.StrategicMergePatchType, body, metav1.PatchOptions{}, "status")
	return err
}

// nodeStatus is a healthy node's, as large as its number of pods asks for.
func (s *sim) nodeStatus(name string, kubelet int, ready time.Time) corev1.NodeStatus {
	pods := int64(s.settings.podsPerNode)
	room := corev1.ResourceList{
		corev1.ResourceCPU:              *resource.NewQuantity(max(8, pods*32/110), resource.DecimalSI),
		corev1.ResourceMemory:           *resource.NewQuantity(max(32, pods*128/110)<<30, resource.BinarySI),
		corev1.ResourcePods:             *resource.NewQuantity(pods, resource.DecimalSI),
		corev1.ResourceEphemeralStorage: *resource.NewQuantity(100<<30, resource.BinarySI),
	}
	now := metav1.Now()
	condition := func(kind corev1.NodeConditionType, status corev1.ConditionStatus, reason, message string) corev1.NodeCondition {
		return corev1.NodeCondition{Type: kind, Status: status, Reason: reason, Message: message,
			LastHeartbeatTime: now, LastTransitionTime: metav1.NewTime(ready)}
	}
	return corev1.NodeStatus{
		Capacity: room, Allocatable: room, Phase: corev1.NodeRunning,
		Conditions: []corev1.NodeCondition{
			condition(corev1.NodeMemoryPressure, corev1.ConditionFalse, "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
			condition(corev1.NodeDiskPressure, corev1.ConditionFalse, "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
			condition(corev1.NodePIDPressure, corev1.ConditionFalse, "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
			condition(corev1.NodeReady, corev1.ConditionTrue, "KubeletReady", "kubelet is posting ready status"),
		},
		Addresses: []corev1.NodeAddress{
			{Type: corev1.NodeInternalIP, Address: "127.0.0.1"}, {Type: corev1.NodeHostName, Address: name},
		},
		DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: int32(kubelet)}},
		NodeInfo: corev1.NodeSystemInfo{
			MachineID: "sim", SystemUUID: "sim", BootID: "sim", KernelVersion: "6.1.0-sim", OSImage: "simulated",
			ContainerRuntimeVersion: "sim://1.0", KubeletVersion: version.Get().GitVersion, OperatingSystem: "linux", Architecture: "amd64",
		},
	}
}
