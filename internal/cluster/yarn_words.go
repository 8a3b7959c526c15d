package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// yarnResource is an amount of resources.
type yarnResource struct {
	MiB   int64 `json:"memory"`
	Cores int64 `json:"vCores"`
}

// yarnRequest is what an application waits for: containers that are alike.
type yarnRequest struct {
	Resource   string       `json:"resourceName"` // * for all requests of a priority; else a host or rack of them
	Capability yarnResource `json:"capability"`
	Containers int          `json:"numContainers"`
	Label      string       `json:"nodeLabelExpression"`
}

// queueWords says why an application waits, in the scheduler's words, and how full its queue
// is. "": it has all that it asked for.
func (y yarn) queueWords(ctx context.Context, a yarnApplication) string {
	var wants []string
	for _, r := range a.Requests {
		if r.Resource == "*" && r.Containers > 0 {
			want := fmt.Sprintf("%d containers of %d MiB and %s", r.Containers, r.Capability.MiB, coresOf(r.Capability.Cores))
			if r.Label != "" {
				want += " on nodes with the label " + r.Label
			}
			wants = append(wants, want)
		}
	}
	if a.State == "RUNNING" && len(wants) == 0 {
		return ""
	}
	words := "queue " + a.Queue
	if full := y.queueUse(ctx, a.Queue); full != "" {
		words += " " + full
	}
	if len(wants) > 0 {
		words += "; the application waits for " + strings.Join(wants, ", ")
	}
	why := yarnWords(a.Diagnostics)
	if why == "" || a.State == "RUNNING" {
		why = y.schedulerWords(ctx, a.ID)
	}
	if why != "" {
		words += ": " + why
	}
	return words
}

// schedulerWords is why the capacity scheduler gave an application nothing in its last round
// (Hadoop 3.3: "Scheduler Application Activities API"). It notes it from the first question
// on. Other schedulers say nothing.
func (y yarn) schedulerWords(ctx context.Context, id string) string {
	var answer struct {
		Activities struct {
			Allocations []json.RawMessage `json:"allocations"`
		} `json:"appActivities"`
	}
	if y.rm.get(ctx, "/ws/v1/cluster/scheduler/app-activities/"+url.PathEscape(id), nil, &answer) != nil {
		return ""
	}
	for _, one := range answer.Activities.Allocations { // the last round first
		var tree any
		if json.Unmarshal(one, &tree) == nil {
			if said := innermost(tree, "diagnostic"); said != "" {
				return OneLine(said)
			}
		}
	}
	return ""
}

// innermost returns the deepest text under a key in a tree of JSON, the first of several.
func innermost(tree any, key string) string {
	switch node := tree.(type) {
	case []any:
		for _, child := range node {
			if text := innermost(child, key); text != "" {
				return text
			}
		}
	case map[string]any:
		if text := innermost(node["children"], key); text != "" {
			return text
		}
		text, _ := node[key].(string)
		return text
	}
	return ""
}

// yarnQueue is a queue of the capacity scheduler or of the fair scheduler, which name some
// things differently.
type yarnQueue struct {
	Name       string       `json:"queueName"`
	State      string       `json:"state"` // of the capacity scheduler: RUNNING, STOPPED, DRAINING
	Used       yarnResource `json:"resourcesUsed"`
	FairUsed   yarnResource `json:"usedResources"`
	FairMost   yarnResource `json:"maxResources"`
	Capacities struct {
		Partitions []struct {
			Label string       `json:"partitionName"`
			Most  yarnResource `json:"effectiveMaxResource"`
		} `json:"queueCapacitiesByPartition"`
	} `json:"capacities"`
	Queues   yarnQueues `json:"queues"`
	Children yarnQueues `json:"childQueues"`
}

type yarnQueues struct {
	Queue []yarnQueue `json:"queue"`
}

// find returns the queue of this name: the whole path, or its last part.
func (q *yarnQueue) find(name string) *yarnQueue {
	if q.Name == name || q.Name == name[strings.LastIndexByte(name, '.')+1:] {
		return q
	}
	for _, below := range [][]yarnQueue{q.Queues.Queue, q.Children.Queue} {
		for i := range below {
			if found := below[i].find(name); found != nil {
				return found
			}
		}
	}
	return nil
}

// queueUse says how much of a queue is in use; "": the scheduler does not say.
func (y yarn) queueUse(ctx context.Context, name string) string {
	var answer struct {
		Scheduler struct {
			Info struct {
				yarnQueue
				Root yarnQueue `json:"rootQueue"` // of the fair scheduler
			} `json:"schedulerInfo"`
		} `json:"scheduler"`
	}
	if y.rm.get(ctx, "/ws/v1/cluster/scheduler", nil, &answer) != nil {
		return ""
	}
	info := &answer.Scheduler.Info
	queue := info.find(name)
	if queue == nil {
		queue = info.Root.find(name)
	}
	if queue == nil {
		return ""
	}
	if queue.State != "" && queue.State != "RUNNING" {
		return "is " + queue.State
	}
	used, most := queue.Used, queue.FairMost
	if queue.FairUsed != (yarnResource{}) {
		used = queue.FairUsed
	}
	for _, p := range queue.Capacities.Partitions {
		if p.Label == "" {
			most = p.Most
		}
	}
	if most.MiB == 0 {
		return fmt.Sprintf("has %d MiB and %s in use", used.MiB, coresOf(used.Cores))
	}
	return fmt.Sprintf("has %d of %d MiB and %d of %s in use", used.MiB, most.MiB, used.Cores, coresOf(most.Cores))
}

func coresOf(n int64) string {
	if n == 1 {
		return "1 core"
	}
	return fmt.Sprintf("%d cores", n)
}
