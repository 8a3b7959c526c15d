package kube

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Pod is what of a pod its run wants to know (core/v1).
type Pod struct {
	Metadata struct {
		Name     string
		UID      string
		Labels   map[string]string
		Deletion *time.Time `json:"deletionTimestamp"`
	}
	Spec struct {
		NodeName   string
		Containers []Container
	}
	Status struct {
		Phase      string // Pending, Running, Succeeded, Failed, Unknown
		Reason     string // of a pod that the node ended: Evicted, NodeLost
		Message    string
		PodIP      string
		Conditions []struct{ Type, Status, Reason, Message string }
		Containers []ContainerStatus `json:"containerStatuses"`
		Inits      []ContainerStatus `json:"initContainerStatuses"`
	}
}

// Container is one of a pod's.
type Container struct {
	Name      string
	Image     string
	Env       []struct{ Name string }
	Resources struct {
		Limits, Requests map[string]string
	}
}

// ContainerStatus is what the node says of a container. One field of State is set.
type ContainerStatus struct {
	Name  string
	Image string
	State struct {
		Waiting    *struct{ Reason, Message string }
		Running    *struct{}
		Terminated *Terminated
	}
	Restarts int `json:"restartCount"`
}

// Terminated says how a container ended.
type Terminated struct {
	ExitCode int
	Signal   int
	Reason   string // Completed, Error, OOMKilled, ContainerCannotRun…
	Message  string
}

// Own is the name of the container in which Spark runs: templates and policies add others
// beside it (sidecars). "": not known.
func (p Pod) Own() string {
	for _, one := range p.Spec.Containers {
		for _, variable := range one.Env {
			if variable.Name == "SPARK_APPLICATION_ID" { // of drivers and of executors
				return one.Name
			}
		}
	}
	return ""
}

// deciding are the statuses that say how the pod fares: once Spark's container has begun that
// one's, else those of all.
func (p Pod) deciding() []ContainerStatus {
	own := p.Own()
	for _, one := range p.Status.Containers {
		if own != "" && one.Name == own && (one.State.Running != nil || one.State.Terminated != nil) {
			return []ContainerStatus{one}
		}
	}
	return slices.Concat(p.Status.Inits, p.Status.Containers)
}

// Outcome is Succeeded or Failed; "": the pod goes on. Sidecars may outlive Spark's container,
// whose end is the pod's.
func (p Pod) Outcome() string {
	if all := p.deciding(); p.Status.Reason == "" && len(all) == 1 && all[0].Name == p.Own() {
		if end := all[0].State.Terminated; end != nil && end.ExitCode == 0 && end.Reason != "OOMKilled" {
			return "Succeeded"
		} else if end != nil {
			return "Failed"
		}
	}
	if p.Status.Phase == "Succeeded" || p.Status.Phase == "Failed" {
		return p.Status.Phase
	}
	return ""
}

// Ended tells whether Spark does not run in the pod any more.
func (p Pod) Ended() bool { return p.Outcome() != "" }

// Executor is Spark's number of the executor that the pod is; "": it is none.
func (p Pod) Executor() string { return p.Metadata.Labels["spark-exec-id"] }

// usual are reasons of waiting that pass.
var usual = map[string]bool{"": true, "ContainerCreating": true, "PodInitializing": true}

// Waiting says in one line what keeps the pod from running, in the words of the scheduler or
// the node; "": nothing, or what every pod waits for at its start.
func (p Pod) Waiting() string {
	if p.Status.Phase != "Pending" {
		return ""
	}
	for _, condition := range p.Status.Conditions {
		if condition.Type == "PodScheduled" && condition.Status == "False" {
			return condition.Reason + ": " + condition.Message
		}
	}
	for _, one := range slices.Concat(p.Status.Inits, p.Status.Containers) {
		waiting := one.State.Waiting
		if waiting == nil || usual[waiting.Reason] {
			continue
		}
		text := waiting.Reason
		if image := cmp.Or(p.image(one.Name), one.Image); !strings.Contains(waiting.Message, image) {
			text += ": image " + image
		}
		if waiting.Message != "" {
			text += ": " + waiting.Message
		}
		return text
	}
	return ""
}

// Unschedulable tells whether no node has room for the pod.
func (p Pod) Unschedulable() bool {
	for _, condition := range p.Status.Conditions {
		if condition.Type == "PodScheduled" && condition.Status == "False" {
			return true
		}
	}
	return false
}

// hopeless are reasons of waiting that nothing but another job file or cluster ends.
var hopeless = map[string]bool{"InvalidImageName": true, "ErrImageNeverPull": true, "CreateContainerConfigError": true}

// Hopeless tells whether the pod waits for what will not come. The node repeats pulls of an
// image that fail: those are not.
func (p Pod) Hopeless() bool {
	for _, one := range slices.Concat(p.Status.Inits, p.Status.Containers) {
		if one.State.Waiting != nil && hopeless[one.State.Waiting.Reason] {
			return true
		}
	}
	return false
}

func (p Pod) image(container string) string {
	for _, one := range p.Spec.Containers {
		if one.Name == container {
			return one.Image
		}
	}
	return ""
}

// Death says in one line how the pod ended: the container that failed, its exit code, and the
// memory limit of one that was killed for memory. "": it has not ended, or has ended well.
func (p Pod) Death() string {
	if p.Status.Reason != "" { // the node ended it: Evicted, Preempted, NodeLost
		return strings.TrimSpace(p.Status.Reason + ": " + p.Status.Message)
	}
	for _, one := range p.deciding() {
		end := one.State.Terminated
		if end == nil || end.ExitCode == 0 && end.Reason != "OOMKilled" {
			continue
		}
		if end.Reason == "OOMKilled" {
			return fmt.Sprintf("OOMKilled: a process of container %s used more than its memory limit of %s (exit code %d)",
				one.Name, cmp.Or(p.limit(one.Name), "the node"), end.ExitCode)
		}
		text := fmt.Sprintf("container %s ended with exit code %d", one.Name, end.ExitCode)
		if end.Reason != "" && end.Reason != "Error" {
			text += ", " + end.Reason
		}
		if end.Message != "" {
			text += ": " + strings.TrimSpace(end.Message)
		}
		return text
	}
	return ""
}

// OutOfMemory tells whether a container was killed because it used more than its limit.
func (p Pod) OutOfMemory() bool {
	for _, one := range p.deciding() {
		if end := one.State.Terminated; end != nil && end.Reason == "OOMKilled" {
			return true
		}
	}
	return false
}

// ExitCode is that of the container that failed; 0: none did.
func (p Pod) ExitCode() int {
	for _, one := range p.deciding() {
		if end := one.State.Terminated; end != nil && end.ExitCode != 0 {
			return end.ExitCode
		}
	}
	return 0
}

// limit is the memory limit of a container, as its spec says it.
func (p Pod) limit(container string) string {
	for _, one := range p.Spec.Containers {
		if one.Name == container {
			return one.Resources.Limits["memory"]
		}
	}
	return ""
}
