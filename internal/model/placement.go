package model

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	"google.golang.org/protobuf/proto"
)

// Cluster is the TensorFlow servers of a run, and which of them a member has.
type Cluster struct {
	// Tasks is the number of tasks of each job: ps, worker, chief. Empty: the member has
	// no server, and trains alone.
	Tasks map[string]int
	Job   string // of the member
	Task  int
}

// EvaluatorJob is the job of a member that evaluates checkpoints. It trains nothing.
const EvaluatorJob = "evaluator"

// Trainers returns the number of members that step.
func (c Cluster) Trainers() int { return max(1, c.Tasks["worker"]+c.Tasks["chief"]) }

// leader returns the device of the member that leads collective operations.
func (c Cluster) leader() string {
	if c.Tasks["chief"] > 0 {
		return device{"chief", 0}.name()
	}
	return device{"worker", 0}.name()
}

// leads tells whether the member is the one that leads: the chief, else worker 0.
func (c Cluster) leads() bool { return device{c.Job, c.Task}.name() == c.leader() }

// device is a task of a cluster, as operations name it.
type device struct {
	job  string
	task int // -1: any
}

func (d device) name() string { return fmt.Sprintf("/job:%s/replica:0/task:%d", d.job, d.task) }

var (
	jobPart  = regexp.MustCompile(`/job:([^/]+)`)
	taskPart = regexp.MustCompile(`/task:([0-9]+)`)
)

// parseDevice returns the task that a device names, if it names a job. TensorFlow names
// the only process of a program localhost, which is no task of a cluster.
func parseDevice(name string) (device, bool) {
	job := jobPart.FindStringSubmatch(name)
	if job == nil || job[1] == "localhost" {
		return device{}, false
	}
	d := device{job: job[1], task: -1}
	if task := taskPart.FindStringSubmatch(name); task != nil {
		d.task, _ = strconv.Atoi(task[1]) // digits
	}
	return d, true
}

// placement gives the operations of a graph their devices.
type placement struct {
	path     string
	cluster  Cluster
	strategy Strategy
	own      device // of the member
	nodes    map[string]*nodepb.NodeDef
	homes    map[string]device // of variables, by node
	done     map[string]device // of operations, by node
	used     map[device]bool
	authors  map[device]bool // that an author has given to operations
}

// newPlacement finds the devices of variables. They are nodes of def, and slices of
// these. sizes has the bytes of variables whose shape the graph does not say.
//
// Under parameter servers a variable that an author has given no task goes to the server
// with the fewest bytes, the largest variables first. The slices of a variable go to
// different servers. A slot variable, whose _class names its variable, goes with that.
// Elsewhere all variables are on the member.
func newPlacement(path string, def *graphpb.GraphDef, variables []trainedVariable, sizes map[string]int64, strategy Strategy, cluster Cluster) (*placement, error) {
	p := &placement{path: path, cluster: cluster, strategy: strategy, own: device{cluster.Job, cluster.Task},
		nodes: map[string]*nodepb.NodeDef{}, homes: map[string]device{}, done: map[string]device{}, used: map[device]bool{}, authors: map[device]bool{}}
	for _, n := range def.GetNode() {
		p.nodes[n.GetName()] = n
	}
	for _, v := range variables { // slices are not in def
		p.nodes[v.node.GetName()] = v.node
	}
	if strategy == ParameterServer && cluster.Tasks["ps"] == 0 {
		return nil, &ModelError{Path: path, Problem: "strategy parameter_server needs a parameter server, and the cluster has none", Remedy: "set num_ps"}
	}
	return p, p.balance(variables, sizes)
}

// balance chooses the parameter servers of variables.
func (p *placement) balance(variables []trainedVariable, sizes map[string]int64) error {
	bytes, members := map[string]int64{}, map[string][]string{} // by the variable to which the slots belong
	wholes, taken := map[string]string{}, map[string][]int{}    // of slices: the variable, and the servers of its slices
	load := make([]int64, max(1, p.cluster.Tasks["ps"]))
	for _, v := range variables {
		name := v.node.GetName()
		fixed, there, err := p.fixed(v.node)
		if err != nil {
			return err
		}
		size := v.bytes(sizes)
		switch {
		case there:
			p.homes[name] = fixed
			if fixed.job == "ps" {
				load[fixed.task] += size
			}
		case p.strategy == ParameterServer && v.key != "":
			root := p.root(v.node)
			bytes[root] += size
			members[root] = append(members[root], name)
			if root == name {
				wholes[root] = v.whole
			}
		default:
			p.homes[name] = p.own
		}
	}
	var roots []string
	for root := range members {
		roots = append(roots, root)
	}
	slices.SortFunc(roots, func(a, b string) int { return cmp.Or(cmp.Compare(bytes[b], bytes[a]), strings.Compare(a, b)) })
	for _, root := range roots {
		home, there := p.homes[root]
		if !there {
			whole := wholes[root]
			least := leastLoaded(load, taken[whole])
			load[least] += bytes[root]
			home = device{"ps", least}
			if whole != "" {
				taken[whole] = append(taken[whole], least)
			}
		}
		for _, name := range members[root] {
			p.homes[name] = home
		}
	}
	return nil
}

// leastLoaded returns the server with the fewest bytes, and none of taken.
func leastLoaded(load []int64, taken []int) int {
	least := -1
	for i := range load {
		if !slices.Contains(taken, i) && (least < 0 || load[i] < load[least]) {
			least = i
		}
	}
	return least
}

// bytes returns the size of a variable. It is at least 1, so that many scalars are
// balanced too.
func (v *trainedVariable) bytes(sizes map[string]int64) int64 {
	shape, known := v.dims()
	if !known {
		return max(1, sizes[v.key])
	}
	size := v.dtype.size()
	for _, d := range shape {
		size *= d
	}
	return max(1, size)
}

// size returns the bytes of one value. Strings count as 16.
func (d DType) size() int64 {
	switch d {
	case Bool, Int8, Uint8:
		return 1
	case Float16, BFloat16, Int16, Uint16:
		return 2
	case Float32, Int32, Uint32:
		return 4
	case String:
		return 16
	}
	return 8
}

// root follows _class from a slot variable to its variable.
func (p *placement) root(n *nodepb.NodeDef) string {
	for range len(p.nodes) {
		next := p.nodes[colocated(n)]
		if next == nil || next == n || !isVariable(next) {
			break
		}
		n = next
	}
	return n.GetName()
}

const classAttr = "_class"

// colocated returns the operation with which a node wants to share its device, or "".
func colocated(n *nodepb.NodeDef) string {
	for _, class := range n.GetAttr()[classAttr].GetList().GetS() {
		if name, ok := strings.CutPrefix(string(class), "loc:@"); ok {
			return name
		}
	}
	return ""
}

// fixed returns the task that an author has given a node. A task that the cluster lacks
// is a *ModelError. A job without a task leaves the choice.
func (p *placement) fixed(n *nodepb.NodeDef) (device, bool, error) {
	d, there := parseDevice(n.GetDevice())
	if !there || p.cluster.Job == EvaluatorJob { // it has the whole graph
		return d, false, nil
	}
	tasks := p.cluster.Tasks[d.job]
	if len(p.cluster.Tasks) == 0 && (d.job == "worker" || d.job == "chief") {
		tasks = 1
	}
	if max(0, d.task) >= tasks {
		what := "operation"
		if isVariable(n) {
			what = "variable"
		}
		has := fmt.Sprintf("has %d of job %s", tasks, d.job)
		if len(p.cluster.Tasks) == 0 {
			has = "is one member"
		}
		return d, false, &ModelError{Path: p.path, Problem: fmt.Sprintf("the %s %s (%s) is on device %s, and the cluster %s", what, n.GetName(), n.GetOp(), n.GetDevice(), has),
			Remedy: "raise cluster_size or num_ps, or leave out tf.device where the graph is made"}
	}
	if d.task < 0 {
		return d, false, nil
	}
	p.authors[d] = true
	return d, true, nil
}

// place gives all operations their devices. def is changed.
//
// In a cluster an operation's _class is then removed: its device follows from it. The
// copies of variables that tf.saved_model.save makes of a Keras 3 model's read the
// variable on one device and ask for that of the copy.
func (p *placement) place(def *graphpb.GraphDef) error {
	for _, n := range def.GetNode() {
		d, err := p.deviceOf(n, 0)
		if err != nil {
			return err
		}
		p.set(n, d)
		if len(p.cluster.Tasks) > 0 {
			delete(n.Attr, classAttr)
		}
	}
	for _, f := range def.GetLibrary().GetFunction() {
		for _, n := range f.GetNodeDef() {
			d, there, err := p.fixed(n)
			if err != nil {
				return err
			}
			home, known := p.homes[colocated(n)]
			switch {
			case there:
				p.set(n, d)
			case known && p.strategy == ParameterServer:
				p.set(n, home)
			default:
				n.Device = kindOf(n)
			}
		}
	}
	return nil
}

func (p *placement) set(n *nodepb.NodeDef, d device) {
	n.Device = kindOf(n)
	if len(p.cluster.Tasks) > 0 {
		n.Device = d.name() + kindOf(n)
		p.used[d] = true
	}
}

// kindOf returns the kind of device that an operation needs. "": TensorFlow's placer
// chooses, a GPU if there is one.
//
// A collective operation needs the CPU. Tensors of other members arrive by gRPC in the
// host's memory anyway. TensorFlow refuses a group of GPUs and CPUs, and members with and
// without a GPU are one group here.
func kindOf(n *nodepb.NodeDef) string {
	if strings.HasPrefix(n.GetOp(), "Collective") {
		return "/device:CPU:0"
	}
	return ""
}

// deviceOf returns the device of an operation of the graph: that of the author, that of
// the operation in its _class, or the member.
func (p *placement) deviceOf(n *nodepb.NodeDef, depth int) (device, error) {
	if home, is := p.homes[n.GetName()]; is {
		return home, nil
	}
	if known, done := p.done[n.GetName()]; done {
		return known, nil
	}
	d, there, err := p.fixed(n)
	if err != nil {
		return d, err
	}
	if !there {
		d = p.own
		if next := p.nodes[colocated(n)]; next != nil && next != n && depth < maxColocations {
			if d, err = p.deviceOf(next, depth+1); err != nil {
				return d, err
			}
		}
	}
	p.done[n.GetName()] = d
	return d, nil
}

// maxColocations ends a walk along _class in a damaged graph.
const maxColocations = 100

// filters returns the devices that a session of the graph needs, sorted.
func (p *placement) filters() []string {
	var names []string
	for d := range p.used {
		names = append(names, fmt.Sprintf("/job:%s/task:%d", d.job, d.task))
	}
	slices.Sort(names)
	return names
}

// split reports whether parts of the graph are on trainers by their author's choice. It
// is the same on all members.
func (p *placement) split() bool {
	for d := range p.authors {
		if d.job != "ps" {
			return true
		}
	}
	return false
}

// placed copies a graph and gives its operations their devices.
func (p *placement) placed(def *graphpb.GraphDef) (*graphpb.GraphDef, error) {
	def = proto.CloneOf(def)
	return def, p.place(def)
}
