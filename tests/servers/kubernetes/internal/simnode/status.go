package simnode

import (
	"crypto/sha256"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// status is what a kubelet would report, and whether there is anything to report yet.
func (l *life) status(now time.Time) (corev1.PodStatus, bool) {
	status := corev1.PodStatus{
		ObservedGeneration: l.pod.Generation,
		HostIP:             "127.0.0.1",
		HostIPs:            []corev1.HostIP{{IP: "127.0.0.1"}},
		QOSClass:           l.pod.Status.QOSClass,
	}
	if l.stage == waiting {
		if l.why == "" {
			return status, false
		}
		status.Phase = corev1.PodPending
	} else {
		started := metav1.NewTime(l.begun)
		status.StartTime = &started
		status.PodIP = address(l.pod)
		status.PodIPs = []corev1.PodIP{{IP: status.PodIP}}
		status.Phase = corev1.PodRunning
	}
	why := "ContainersNotReady"
	if l.stage == finished {
		if l.written == "" && l.current.start.IsZero() {
			return status, false // finished under an earlier simulation
		}
		status.Phase, why = corev1.PodSucceeded, "PodCompleted"
		if l.current.code != 0 {
			status.Phase, why = corev1.PodFailed, "PodFailed"
		}
	}
	ready := l.ready(now)
	status.Conditions = []corev1.PodCondition{
		l.condition(corev1.PodScheduled, true, ""),
		l.condition(corev1.PodReadyToStartContainers, l.stage != waiting, ""),
		l.condition(corev1.PodInitialized, true, ""),
		l.condition(corev1.ContainersReady, ready, why),
		l.condition(corev1.PodReady, ready, why),
	}
	for index, container := range l.pod.Spec.Containers {
		status.ContainerStatuses = append(status.ContainerStatuses, l.container(index, container, ready))
	}
	for _, container := range l.pod.Spec.InitContainers {
		one := l.named(container)
		if l.stage != waiting {
			started := metav1.NewTime(l.begun)
			one.Ready = true
			one.State.Terminated = &corev1.ContainerStateTerminated{Reason: "Completed", StartedAt: started, FinishedAt: started, ContainerID: one.ContainerID}
		} else {
			one.State.Waiting = &corev1.ContainerStateWaiting{Reason: "PodInitializing"}
		}
		status.InitContainerStatuses = append(status.InitContainerStatuses, one)
	}
	return status, true
}

// condition keeps the time of the last change while nothing changes.
func (l *life) condition(kind corev1.PodConditionType, ok bool, why string) corev1.PodCondition {
	one := corev1.PodCondition{
		Type: kind, Status: corev1.ConditionTrue, ObservedGeneration: l.pod.Generation,
		LastTransitionTime: metav1.NewTime(time.Now().Truncate(time.Second)),
	}
	if !ok {
		one.Status, one.Reason = corev1.ConditionFalse, why
		if why == "ContainersNotReady" {
			one.Message = "containers with unready status: [" + l.pod.Spec.Containers[0].Name + "]"
		}
	}
	for _, old := range l.pod.Status.Conditions {
		if old.Type == kind && old.Status == one.Status {
			one.LastTransitionTime = old.LastTransitionTime
		}
	}
	return one
}

func (l *life) named(container corev1.Container) corev1.ContainerStatus {
	id := fmt.Sprintf("sim://%x", sha256.Sum256([]byte(string(l.pod.UID)+container.Name+fmt.Sprint(l.restarts))))
	return corev1.ContainerStatus{
		Name: container.Name, Image: container.Image, ContainerID: id,
		ImageID: fmt.Sprintf("%s@sha256:%x", container.Image, sha256.Sum256([]byte(container.Image))),
	}
}

func (l *life) container(index int, container corev1.Container, ready bool) corev1.ContainerStatus {
	one := l.named(container)
	started := l.stage == running
	one.Started = &started
	if index == 0 {
		one.RestartCount = l.restarts
		if l.previous != nil && l.stage != finished {
			one.LastTerminationState.Terminated = l.previous.terminated(one.ContainerID)
		}
	}
	current := l.current
	if index > 0 {
		current.start = l.begun
	}
	switch {
	case l.stage == waiting:
		one.ContainerID, one.ImageID = "", ""
		one.State.Waiting = &corev1.ContainerStateWaiting{Reason: l.why, Message: l.message(container)}
	case l.stage == finished:
		one.State.Terminated = current.terminated(one.ContainerID)
	case l.stage == backingOff && index == 0:
		one.State.Waiting = &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: l.message(container)}
	default:
		one.Ready = ready || index > 0
		one.State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(current.start)}
	}
	return one
}

func (s *stint) terminated(id string) *corev1.ContainerStateTerminated {
	return &corev1.ContainerStateTerminated{
		ExitCode: s.code, Reason: s.reason, StartedAt: metav1.NewTime(s.start), FinishedAt: metav1.NewTime(s.end), ContainerID: id,
	}
}

// message is a kubelet's for why a container waits.
func (l *life) message(container corev1.Container) string {
	switch {
	case l.stage == backingOff:
		wait := l.seconds("back-off", 2) << min(l.restarts-1, 8)
		return fmt.Sprintf("back-off %s restarting failed container=%s pod=%s_%s(%s)",
			min(wait, 30*time.Second), container.Name, l.pod.Name, l.pod.Namespace, l.pod.UID)
	case l.why == "ImagePullBackOff":
		return fmt.Sprintf("Back-off pulling image %q", container.Image)
	case l.why == "CreateContainerConfigError":
		return fmt.Sprintf("configmap %q not found", l.pod.Name)
	}
	return ""
}

// address is a pod's own in 10.244.0.0/14, the same for as long as it lives.
func address(pod *corev1.Pod) string {
	sum := sha256.Sum256([]byte(pod.UID))
	return fmt.Sprintf("10.%d.%d.%d", 244+sum[0]%4, sum[1], 1+sum[2]%253)
}
