package model

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	functionpb "github.com/wamuir/graft/tensorflow/core/framework/function_go_proto"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	shapepb "github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	"google.golang.org/protobuf/proto"
)

// minSliceBytes is the least size of a slice of a variable, as that of
// tf.distribute.experimental.partitioners.MinSizePartitioner.
const minSliceBytes = 256 << 10

// partition divides a large variable into slices of rows, one for each of several
// parameter servers. Slot variables are divided alike.
type partition struct {
	variable *trainedVariable
	slots    []*trainedVariable
	bounds   []int64 // slice s has the rows from bounds[s] to bounds[s+1]
	uses     []functionUse
	library  map[string]*functionpb.FunctionDef
}

func (p *partition) slices() int { return len(p.bounds) - 1 }

// functionUse is a function that uses a variable or its slot variables.
type functionUse struct {
	function  *functionpb.FunctionDef
	arguments map[string]*trainedVariable // by name: the arguments that are their handles
}

// partitions returns how large variables are divided over servers. whole says of the
// others that are large why they stay whole, sorted.
func (t *Training) partitions(servers int) (all []*partition, whole []string) {
	var found *handles
	plain := false
	for i := range t.variables {
		v := &t.variables[i]
		count := v.sliceCount(servers)
		if count < 2 || colocated(v.node) != "" {
			continue
		}
		if found == nil {
			found = t.followHandles()
			_, plain = t.toSave()
		}
		p, reason := t.partition(v, count, found)
		if !plain {
			reason = "the graph's saver saves more than variables"
		}
		if reason != "" {
			whole = append(whole, fmt.Sprintf("%s (%d KiB): %s", v.name(), v.bytes(nil)>>10, reason))
			continue
		}
		all = append(all, p)
	}
	slices.Sort(whole)
	return all, whole
}

// sliceCount returns the number of slices that a variable is worth.
func (v *trainedVariable) sliceCount(servers int) int {
	w := v.wanted()
	author, pinned := parseDevice(v.node.GetDevice())
	if v.key == "" || v.first != "" || v.slice != "" || v.byReference() || !w.known || len(w.shape) < 2 || pinned && author.task >= 0 {
		return 1
	}
	return int(min(int64(servers), w.shape[0], v.bytes(nil)/minSliceBytes))
}

// partition returns how a variable is divided, or the reason why it cannot be.
func (t *Training) partition(v *trainedVariable, count int, found *handles) (*partition, string) {
	p := &partition{variable: v, library: found.library}
	rows := v.wanted().shape[0]
	for s := range int64(count) + 1 {
		p.bounds = append(p.bounds, s*(rows/int64(count))+min(s, rows%int64(count)))
	}
	own := map[string]*trainedVariable{v.node.GetName(): v}
	for i := range t.variables {
		slot := &t.variables[i]
		if colocated(slot.node) != v.node.GetName() {
			continue
		}
		if !slices.Equal(slot.wanted().shape, v.wanted().shape) || slot.dtype != v.dtype || slot.key == "" || slot.first != "" {
			return nil, "its slot variable " + slot.name() + " has another shape or type"
		}
		p.slots = append(p.slots, slot)
		own[slot.node.GetName()] = slot
	}
	for name := range own {
		if reason := found.refused[name]; reason != "" {
			return nil, reason
		}
	}
	for _, function := range slices.Sorted(maps.Keys(found.arguments)) {
		use := functionUse{function: found.library[function], arguments: map[string]*trainedVariable{}}
		for argument, variable := range found.arguments[function] {
			if own[variable] != nil {
				use.arguments[argument] = own[variable]
			}
		}
		if len(use.arguments) == 0 {
			continue
		}
		if _, err := p.read(use); err != nil {
			return nil, err.Error()
		}
		p.uses = append(p.uses, use)
	}
	return p, ""
}

// handles says to which functions the handles of variables go in a step and in an
// evaluation.
type handles struct {
	library   map[string]*functionpb.FunctionDef
	arguments map[string]map[string]string // by function and argument: the variable's node
	refused   map[string]string            // by variable: why its uses cannot be divided
}

func (t *Training) followHandles() *handles {
	needed := t.flow()
	h := &handles{library: needed.library, arguments: map[string]map[string]string{}, refused: map[string]string{}}
	for _, n := range needed.reached {
		h.follow(needed, n, func(tensor string) string {
			if source := needed.nodes[nodeOf(tensor)]; source != nil && isVariable(source) {
				return source.GetName()
			}
			return ""
		})
	}
	return h
}

// follow follows handles into the function that a node calls. variable returns the
// variable whose handle a tensor is, or "".
func (h *handles) follow(f *flow, n *nodepb.NodeDef, variable func(tensor string) string) {
	function := h.library[f.calledFunction(n)]
	for i, in := range n.GetInput() {
		name := variable(in)
		if name == "" || strings.HasPrefix(in, "^") {
			continue
		}
		if function == nil || i >= len(function.GetSignature().GetInputArg()) {
			h.refused[name] = fmt.Sprintf("%s (%s) uses it outside of a function", n.GetName(), n.GetOp())
			continue
		}
		h.bind(f, function, function.GetSignature().GetInputArg()[i].GetName(), name)
	}
}

func (h *handles) bind(f *flow, function *functionpb.FunctionDef, argument, variable string) {
	name := function.GetSignature().GetName()
	if h.arguments[name] == nil {
		h.arguments[name] = map[string]string{}
	}
	switch before, bound := h.arguments[name][argument]; {
	case bound && before == variable:
		return
	case bound:
		reason := fmt.Sprintf("the function %s is called with several variables", name)
		h.refused[before], h.refused[variable] = reason, reason
		return
	}
	h.arguments[name][argument] = variable
	for _, n := range function.GetNodeDef() {
		for i, in := range n.GetInput() {
			if in != argument {
				continue
			}
			called := h.library[f.calledFunction(n)]
			switch {
			case called != nil && i < len(called.GetSignature().GetInputArg()):
				h.bind(f, called, called.GetSignature().GetInputArg()[i].GetName(), variable)
			case called == nil && takesFunctions(n):
				h.refused[variable] = fmt.Sprintf("%s (%s) uses it in a branch or a loop", n.GetName(), n.GetOp())
			}
		}
	}
}

// takesFunctions reports whether an operation has functions as attributes.
func takesFunctions(n *nodepb.NodeDef) bool {
	for _, a := range n.GetAttr() {
		if a.GetFunc() != nil || len(a.GetList().GetFunc()) > 0 {
			return true
		}
	}
	return false
}

// sliceOf returns slice s of a variable. In a checkpoint it is a part of the variable's
// value.
func (p *partition) sliceOf(v *trainedVariable, s int) trainedVariable {
	shape := proto.CloneOf(v.shape)
	rows := p.bounds[s+1] - p.bounds[s]
	whole := make([]string, len(shape.GetDim()))
	rest := []string{fmt.Sprintf("%d,%d", p.bounds[s], rows)}
	for i, d := range shape.GetDim() {
		whole[i] = fmt.Sprint(d.GetSize())
		if i > 0 {
			rest = append(rest, "-")
		}
	}
	shape.Dim[0] = &shapepb.TensorShapeProto_Dim{Size: rows}
	node := variableNode(fmt.Sprintf("%s/part_%d", v.node.GetName(), s), v.dtype, shape)
	if v != p.variable {
		node.Attr[classAttr] = classOf(fmt.Sprintf("%s/part_%d", p.variable.node.GetName(), s))
	}
	return trainedVariable{variable: variable{node: node}, key: v.key, slice: strings.Join(whole, " ") + " " + strings.Join(rest, ":"), aliases: v.aliases,
		dtype: v.dtype, shape: shape, whole: v.node.GetName()}
}

// divide has the graph use slices of variables.
func (b *trainingBuilder) divide(parts []*partition) error {
	for _, p := range parts {
		if err := p.divide(b.def, b.homes); err != nil {
			return err
		}
		for s := range p.slices() {
			for _, v := range append([]*trainedVariable{p.variable}, p.slots...) {
				node := p.sliceOf(v, s).node
				delete(node.Attr, classAttr)
				b.addNode(node, b.homes[node.GetName()])
			}
		}
		b.program.Divided = append(b.program.Divided, p.variable.name())
	}
	slices.Sort(b.program.Divided)
	return nil
}

// divided returns variables with slices in place of those that are divided.
func divided(variables []trainedVariable, all []*partition) []trainedVariable {
	of := map[string]*partition{}
	for _, p := range all {
		of[p.variable.node.GetName()] = p
		for _, slot := range p.slots {
			of[slot.node.GetName()] = p
		}
	}
	var found []trainedVariable
	for i := range variables {
		p := of[variables[i].node.GetName()]
		if p == nil {
			found = append(found, variables[i])
			continue
		}
		for s := range p.slices() {
			found = append(found, p.sliceOf(&variables[i], s))
		}
	}
	return found
}
