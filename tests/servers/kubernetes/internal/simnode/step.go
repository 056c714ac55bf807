package simnode

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// retry is when a write that failed is tried again.
const retry = time.Second

// work takes one pod from the queue and does what is due; false when the queue was shut down.
func (s *sim) work(ctx context.Context) bool {
	uid, over := s.queue.Get()
	if over {
		return false
	}
	defer s.queue.Done(uid)
	next, err := s.step(ctx, uid)
	if err != nil && ctx.Err() == nil {
		fmt.Fprintf(os.Stderr, "simnode: %v\n", err)
		s.queue.AddAfter(uid, retry)
	} else if !next.IsZero() {
		s.queue.AddAfter(uid, time.Until(next))
	}
	return true
}

// step brings one pod up to date and says when it has to be looked at again.
func (s *sim) step(ctx context.Context, uid types.UID) (time.Time, error) {
	now := time.Now()
	s.mutex.Lock()
	l := s.lives[uid]
	if l == nil {
		s.mutex.Unlock()
		return time.Time{}, nil
	}
	pod := l.pod
	if pod.DeletionTimestamp != nil {
		if l.stopping.IsZero() {
			l.stopping = now
		}
		delay := l.seconds("stop-delay", 0.5)
		if grace := pod.DeletionGracePeriodSeconds; grace != nil {
			delay = min(delay, time.Duration(*grace)*time.Second)
		}
		due := l.stopping.Add(delay)
		s.mutex.Unlock()
		if now.Before(due) {
			return due, nil
		}
		return time.Time{}, s.remove(ctx, pod)
	}
	before := l.stage
	next := l.advance(now)
	status, worth := l.status(now)
	failed := before != backingOff && l.stage == backingOff
	restarts := l.restarts
	known := l.written
	s.mutex.Unlock()
	if !worth {
		return next, nil
	}
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": uid}, "status": status})
	if err != nil {
		return next, err
	}
	if string(body) == known {
		return next, nil
	}
	_, err = s.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.MergePatchType, body, metav1.PatchOptions{}, "status")
	switch {
	// Deleted, or another pod has the name by now: the watch will tell.
	case apierrors.IsNotFound(err), apierrors.IsConflict(err):
		return time.Time{}, nil
	case err != nil:
		return next, fmt.Errorf("write the status of %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	s.mutex.Lock()
	l.written = string(body)
	s.mutex.Unlock()
	if failed {
		s.tellBackOff(ctx, pod, restarts)
	}
	return next, nil
}

// remove deletes a pod for good, as a kubelet does when its containers have ended.
func (s *sim) remove(ctx context.Context, pod *corev1.Pod) error {
	err := s.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: new(int64), Preconditions: &metav1.Preconditions{UID: &pod.UID},
	})
	if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return fmt.Errorf("remove %s/%s: %w", pod.Namespace, pod.Name, err)
}

// tellBackOff records the event that a kubelet does, once a back-off.
func (s *sim) tellBackOff(ctx context.Context, pod *corev1.Pod, restarts int32) {
	now := metav1.Now()
	container := pod.Spec.Containers[0].Name
	event := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("%s.%x", pod.Name, now.UnixNano()), Namespace: pod.Namespace},
		InvolvedObject: corev1.ObjectReference{
			Kind: "Pod", APIVersion: "v1", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID,
			FieldPath: "spec.containers{" + container + "}",
		},
		Reason:  "BackOff",
		Message: fmt.Sprintf("Back-off restarting failed container %s in pod %s_%s(%s)", container, pod.Name, pod.Namespace, pod.UID),
		Source:  corev1.EventSource{Component: "kubelet", Host: pod.Spec.NodeName},
		Type:    corev1.EventTypeWarning, Count: restarts, FirstTimestamp: now, LastTimestamp: now,
	}
	// An event that is lost is lost with a real kubelet too.
	_, _ = s.client.CoreV1().Events(pod.Namespace).Create(ctx, event, metav1.CreateOptions{})
}
