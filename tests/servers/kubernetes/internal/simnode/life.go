package simnode

import (
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// stage is where a pod's containers stand.
type stage int

const (
	// waiting: not started yet, or never to start.
	waiting stage = iota
	// running, ready or not.
	running
	// backingOff: the first container exited and waits for its restart.
	backingOff
	// finished: every container ended and none is restarted.
	finished
)

// stint is one run of a container, from its start to its end; the end is zero while it runs.
type stint struct {
	start, end time.Time
	// reason and code are of the end.
	reason string
	code   int32
}

// life is what a kubelet would know of one pod. The first container is the one that fails; the
// others run from the pod's start to its end.
type life struct {
	pod   *corev1.Pod
	seen  time.Time
	stage stage
	// why it waits, for a pod that never starts.
	why      string
	begun    time.Time
	current  stint
	previous *stint
	restarts int32
	// until a back-off is over.
	until time.Time
	// stopping since a deletion was seen.
	stopping time.Time
	// written is the status that the API server has taken, so that none is written twice.
	written string
	// gone is closed when the pod is deleted, for those who follow its logs.
	gone chan struct{}
}

func newLife(pod *corev1.Pod, now time.Time) *life {
	l := &life{pod: pod, seen: now, gone: make(chan struct{})}
	switch pod.Status.Phase {
	case corev1.PodSucceeded, corev1.PodFailed:
		l.stage = finished
	case corev1.PodRunning:
		// An earlier simulation started it: its logs go on from where they began.
		l.stage, l.begun = running, now.Truncate(time.Second)
		if pod.Status.StartTime != nil {
			l.begun = pod.Status.StartTime.Time
		}
		l.current = stint{start: l.begun}
		if len(pod.Status.ContainerStatuses) > 0 {
			l.restarts = pod.Status.ContainerStatuses[0].RestartCount
			if state := pod.Status.ContainerStatuses[0].State.Running; state != nil {
				l.current.start = state.StartedAt.Time
			}
		}
	}
	return l
}

func (l *life) annotation(name string) string {
	return l.pod.Annotations["sim/"+name]
}

func (l *life) number(name string, otherwise float64) float64 {
	if value, err := strconv.ParseFloat(l.annotation(name), 64); err == nil && value >= 0 {
		return value
	}
	return otherwise
}

func (l *life) seconds(name string, otherwise float64) time.Duration {
	return time.Duration(l.number(name, otherwise) * float64(time.Second))
}

// failing says whether the first container is to exit by a fault.
func (l *life) failing() bool {
	fail := l.annotation("fail")
	return fail == "crash" || fail == "oom"
}

// advance brings a life to where it stands now and says when it has to be looked at again; zero
// is never.
func (l *life) advance(now time.Time) time.Time {
	switch l.stage {
	case waiting:
		switch l.annotation("fail") {
		case "pending":
			l.why = "ContainerCreating"
			return time.Time{}
		case "image-pull":
			l.why = "ImagePullBackOff"
			return time.Time{}
		case "config-error":
			l.why = "CreateContainerConfigError"
			return time.Time{}
		}
		delay := l.seconds("start-delay", 0.2)
		l.why = ""
		if delay > time.Second {
			l.why = "ContainerCreating"
		}
		if due := l.seen.Add(delay); now.Before(due) {
			return due
		}
		// The API's times have no fractions, and a log has no line before its container's start.
		l.stage, l.begun = running, now.Truncate(time.Second)
		l.current = stint{start: l.begun}
		return l.advance(now)
	case running:
		if l.failing() {
			return l.crash(now)
		}
		if l.pod.Spec.RestartPolicy != corev1.RestartPolicyAlways {
			return l.complete(now)
		}
		if due := l.current.start.Add(l.seconds("ready-delay", 0)); now.Before(due) {
			return due
		}
	case backingOff:
		if now.Before(l.until) {
			return l.until
		}
		l.restart(now)
		return l.advance(now)
	}
	return time.Time{}
}

// crash ends the first container when its time has come. The first restart comes at once, as with a
// real kubelet, each later one after a back-off twice as long as the one before.
func (l *life) crash(now time.Time) time.Time {
	if due := l.current.start.Add(l.seconds("run-seconds", 1)); now.Before(due) {
		return due
	}
	over := l.current
	over.end, over.reason, over.code = now.Truncate(time.Second), "Error", 1
	if l.annotation("fail") == "oom" {
		over.reason, over.code = "OOMKilled", 137
	}
	if l.pod.Spec.RestartPolicy == corev1.RestartPolicyNever {
		l.current, l.stage = over, finished
		return time.Time{}
	}
	l.previous = &over
	if l.restarts == 0 {
		l.restart(now)
		return l.advance(now)
	}
	wait := l.seconds("back-off", 2) << min(l.restarts-1, 8)
	l.stage, l.until = backingOff, now.Add(min(wait, 30*time.Second))
	return l.until
}

func (l *life) restart(now time.Time) {
	l.restarts++
	l.stage = running
	l.current = stint{start: now.Truncate(time.Second)}
}

// complete ends a pod whose containers end by themselves.
func (l *life) complete(now time.Time) time.Time {
	run := l.seconds("run-seconds", 2)
	if run == 0 {
		return time.Time{}
	}
	if due := l.current.start.Add(run); now.Before(due) {
		return due
	}
	l.current.end, l.current.reason = now.Truncate(time.Second), "Completed"
	if l.annotation("fail") == "job-fail" {
		l.current.reason, l.current.code = "Error", 1
	}
	l.stage = finished
	return time.Time{}
}

// ready says whether the first container passes its readiness probe.
func (l *life) ready(now time.Time) bool {
	return l.stage == running && l.annotation("fail") != "not-ready" &&
		!now.Before(l.current.start.Add(l.seconds("ready-delay", 0)))
}
