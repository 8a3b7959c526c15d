package model

import (
	"fmt"
	"slices"
	"strings"

	attrpb "github.com/wamuir/graft/tensorflow/core/framework/attr_value_go_proto"
	functionpb "github.com/wamuir/graft/tensorflow/core/framework/function_go_proto"
	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	tensorpb "github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	shapepb "github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	"google.golang.org/protobuf/proto"
)

// divide has the functions of a graph use slices in place of a variable. Each slice has
// its variables on the device of homes. Operations keep their names for those that use
// them.
//
// A lookup sends each slice the indices that are in its rows, and puts the rows that
// come back in order. An update is copied for each slice: its copy takes the part of the
// sparse gradient for the slice's rows.
func (p *partition) divide(def *graphpb.GraphDef, homes map[string]device) error {
	for _, use := range p.uses {
		at := slices.IndexFunc(def.GetLibrary().GetFunction(), func(f *functionpb.FunctionDef) bool {
			return f.GetSignature().GetName() == use.function.GetSignature().GetName()
		})
		use.function = def.GetLibrary().GetFunction()[at]
		reading, err := p.read(use)
		if err != nil {
			return err // it was read before
		}
		d := &divider{functionReading: reading, homes: homes, handles: map[string]bool{}, gone: map[string]bool{}}
		d.divide()
		for _, n := range reading.update {
			forgetShapes(def, n)
		}
	}
	return nil
}

// forgetShapes removes the static shapes of functions that an operation takes, which had
// all rows.
func forgetShapes(def *graphpb.GraphDef, n *nodepb.NodeDef) {
	for _, a := range n.GetAttr() {
		for _, f := range def.GetLibrary().GetFunction() {
			if a.GetFunc() == nil || f.GetSignature().GetName() != a.GetFunc().GetName() {
				continue
			}
			delete(f.Attr, "_input_shapes")
			for _, argument := range f.GetArgAttr() {
				delete(argument.Attr, shapesAttr)
			}
			for _, inner := range f.GetNodeDef() {
				delete(inner.Attr, shapesAttr)
				forgetShapes(def, inner)
			}
		}
	}
}

// shapesAttr has the static shapes of an operation's outputs.
const shapesAttr = "_output_shapes"

// divider rewrites a function.
type divider struct {
	*functionReading
	homes   map[string]device
	handles map[string]bool // that are in the function
	gone    map[string]bool // nodes that are replaced
	added   []*nodepb.NodeDef
}

func (d *divider) divide() {
	for _, one := range d.lookups {
		d.addLookup(one)
	}
	for _, name := range d.unused {
		d.standIn(name)
	}
	if len(d.update) > 0 {
		d.addUpdates()
	}
	f := d.function
	f.NodeDef = append(slices.DeleteFunc(f.GetNodeDef(), func(n *nodepb.NodeDef) bool { return d.gone[n.GetName()] }), d.added...)
}

// add adds a node to the function. Without a home its device is that of the function's
// caller. output is the name of its first output.
func (d *divider) add(home device, name, op, output string, attrs map[string]*attrpb.AttrValue, inputs ...string) (tensor string) {
	n := &nodepb.NodeDef{Name: name, Op: op, Input: inputs, Attr: attrs}
	if home.job != "" {
		n.Device = home.name()
	}
	d.added = append(d.added, n)
	return name + ":" + output + ":0"
}

// anywhere is the device of the function's caller.
var anywhere = device{}

// standIn replaces a node by one of its name that runs after others, for those that
// wait for it.
func (d *divider) standIn(name string, others ...string) {
	d.gone[name] = true
	d.add(anywhere, name, "NoOp", "", nil, after(others...)...)
}

func (d *divider) constant(name string, dtype DType, shape *shapepb.TensorShapeProto, values ...int64) string {
	t := &tensorpb.TensorProto{Dtype: typespb.DataType(dtype), TensorShape: shape}
	for _, v := range values {
		if dtype == Int64 {
			t.Int64Val = append(t.Int64Val, v)
		} else {
			t.IntVal = append(t.IntVal, int32(v))
		}
	}
	d.added = append(d.added, constant(name, t))
	return name + ":output:0"
}

// handle returns the handle of slice s of a variable, and its home.
func (d *divider) handle(v *trainedVariable, s int) (tensor string, home device) {
	slice := d.partition.sliceOf(v, s)
	name := slice.node.GetName()
	home = d.homes[name]
	if !d.handles[name] {
		d.handles[name] = true
		n := proto.CloneOf(slice.node)
		delete(n.Attr, classAttr)
		n.Device = home.name()
		d.added = append(d.added, n)
	}
	return name + ":resource:0", home
}

// route adds operations that number the slices of indices, a vector.
func (d *divider) route(name, indices string, dtype DType) (numbers string) {
	bounds := d.partition.bounds[1:d.partition.slices()]
	var behind []string
	for i, bound := range bounds {
		scope := fmt.Sprintf("%s/%d", name, i)
		first := d.constant(scope+"/first", dtype, &shapepb.TensorShapeProto{}, bound)
		is := d.add(anywhere, scope+"/behind", "GreaterEqual", "z", map[string]*attrpb.AttrValue{"T": typeAttr(dtype)}, indices, first)
		behind = append(behind, d.add(anywhere, scope+"/number", "Cast", "y", map[string]*attrpb.AttrValue{"SrcT": typeAttr(Bool), "DstT": typeAttr(Int32)}, is))
	}
	return d.add(anywhere, name, "AddN", "sum", map[string]*attrpb.AttrValue{"N": intAttr(len(behind)), "T": typeAttr(Int32)}, behind...)
}

// split divides a tensor by the number of the slice of each of its rows.
func (d *divider) split(name, tensor, numbers string, dtype DType) func(s int) string {
	d.add(anywhere, name, "DynamicPartition", "outputs", map[string]*attrpb.AttrValue{"num_partitions": intAttr(d.partition.slices()), "T": typeAttr(dtype)}, tensor, numbers)
	return func(s int) string { return fmt.Sprintf("%s:outputs:%d", name, s) }
}

// local returns indices in the rows of slice s.
func (d *divider) local(name, indices string, dtype DType, s int) string {
	first := d.constant(name+"/first", dtype, &shapepb.TensorShapeProto{}, d.partition.bounds[s])
	return d.add(anywhere, name, "Sub", "z", map[string]*attrpb.AttrValue{"T": typeAttr(dtype)}, indices, first)
}

// addLookup replaces a gather of rows. An index that no slice has goes to the first or
// the last one, whose gather fails as the whole one's does.
func (d *divider) addLookup(one lookup) {
	n, v := one.gather, d.partition.variable
	dtype := DType(n.GetAttr()["Tindices"].GetType())
	types := map[string]*attrpb.AttrValue{"T": typeAttr(dtype), "out_type": typeAttr(Int32)}
	scope := n.GetName() + "/slices"
	flat := d.add(anywhere, scope+"/indices", "Reshape", "output", map[string]*attrpb.AttrValue{"T": typeAttr(dtype), "Tshape": typeAttr(Int32)},
		n.GetInput()[1], d.constant(scope+"/vector", Int32, vector(1), -1))
	numbers := d.route(scope+"/numbers", flat, dtype)
	length := d.add(anywhere, scope+"/length", "Size", "output", types, flat)
	places := d.add(anywhere, scope+"/places", "Range", "output", map[string]*attrpb.AttrValue{"Tidx": typeAttr(Int32)},
		d.constant(scope+"/from", Int32, &shapepb.TensorShapeProto{}, 0), length, d.constant(scope+"/step", Int32, &shapepb.TensorShapeProto{}, 1))
	indicesOf, placesOf := d.split(scope+"/indices_of", flat, numbers, dtype), d.split(scope+"/places_of", places, numbers, Int32)
	var rows, at, gathers []string
	for s := range d.partition.slices() {
		handle, home := d.handle(v, s)
		name := fmt.Sprintf("%s/rows_%d", scope, s)
		rows = append(rows, d.add(home, name, "ResourceGather", "output", map[string]*attrpb.AttrValue{"dtype": typeAttr(v.dtype), "Tindices": typeAttr(dtype),
			"batch_dims": intAttr(0), "validate_indices": {Value: &attrpb.AttrValue_B{B: true}}}, handle, d.local(fmt.Sprintf("%s/local_%d", scope, s), indicesOf(s), dtype, s)))
		at, gathers = append(at, placesOf(s)), append(gathers, name)
	}
	merged := d.add(anywhere, scope+"/merged", "DynamicStitch", "merged", map[string]*attrpb.AttrValue{"N": intAttr(len(rows)), "T": typeAttr(v.dtype)}, append(at, rows...)...)
	shape := d.add(anywhere, scope+"/shape", "ConcatV2", "output", map[string]*attrpb.AttrValue{"N": intAttr(2), "T": typeAttr(Int32), "Tidx": typeAttr(Int32)},
		d.add(anywhere, scope+"/shape_of_indices", "Shape", "output", types, n.GetInput()[1]),
		d.constant(scope+"/shape_of_row", Int32, vector(len(v.wanted().shape)-1), v.wanted().shape[1:]...),
		d.constant(scope+"/axis", Int32, &shapepb.TensorShapeProto{}, 0))
	inputs := []string{merged, shape}
	for _, in := range n.GetInput() {
		if strings.HasPrefix(in, "^") {
			inputs = append(inputs, in)
		}
	}
	d.add(anywhere, n.GetName(), "Reshape", "output", map[string]*attrpb.AttrValue{"T": typeAttr(v.dtype), "Tshape": typeAttr(Int32), shapesAttr: n.GetAttr()[shapesAttr]}, inputs...)
	if d.gone[n.GetName()] = true; one.read != "" {
		if d.gone[one.read] {
			d.alsoAfter(one.read, gathers)
			return
		}
		d.standIn(one.read, gathers...)
	}
}

// alsoAfter has a stand-in wait for more operations.
func (d *divider) alsoAfter(name string, others []string) {
	for _, n := range d.added {
		if n.GetName() == name {
			n.Input = append(n.Input, after(others...)...)
		}
	}
}

// addUpdates replaces an update by a copy for each slice.
func (d *divider) addUpdates() {
	scope := d.partition.variable.node.GetName() + "/slices"
	replaced := make([]map[string]string, d.partition.slices()) // for each slice: tensors from outside
	for s := range replaced {
		replaced[s] = map[string]string{}
	}
	if d.indices != "" {
		d.addParts(scope, replaced)
	}
	for i, tensor := range d.shapes {
		n := d.nodes[nodeOf(tensor)]
		shape := slices.Clone(d.partition.variable.wanted().shape)
		for s := range replaced {
			shape[0] = d.partition.bounds[s+1] - d.partition.bounds[s]
			replaced[s][tensor] = d.constant(fmt.Sprintf("%s/shape_%d_%d", scope, i, s), outputType(n), vector(len(shape)), shape...)
		}
	}
	for _, n := range d.update {
		var copies []string
		for s := range replaced {
			copies = append(copies, d.addCopy(n, s, replaced[s]))
		}
		d.standIn(n.GetName(), copies...)
	}
}

// addParts divides the sparse gradient.
func (d *divider) addParts(scope string, replaced []map[string]string) {
	dtype := outputType(d.nodes[nodeOf(d.indices)])
	numbers := d.route(scope+"/numbers", d.indices, dtype)
	indicesOf := d.split(scope+"/indices_of", d.indices, numbers, dtype)
	for s := range replaced {
		replaced[s][d.indices] = d.local(fmt.Sprintf("%s/local_%d", scope, s), indicesOf(s), dtype, s)
	}
	for i, tensor := range d.sparse {
		valuesOf := d.split(fmt.Sprintf("%s/values_%d", scope, i), tensor, numbers, outputType(d.nodes[nodeOf(tensor)]))
		for s := range replaced {
			replaced[s][tensor] = valuesOf(s)
		}
	}
}

// addCopy adds the copy of a node of the update for slice s.
func (d *divider) addCopy(n *nodepb.NodeDef, s int, replaced map[string]string) (name string) {
	suffix := fmt.Sprintf("/slice_%d", s)
	c := proto.CloneOf(n)
	c.Name += suffix
	delete(c.Attr, classAttr)
	delete(c.Attr, shapesAttr)
	_, home := d.handle(d.partition.variable, s)
	c.Device = home.name()
	for i, in := range c.GetInput() {
		base, rest, found := strings.Cut(strings.TrimPrefix(in, "^"), ":")
		switch v := d.arguments[in]; {
		case v != nil:
			c.Input[i], _ = d.handle(v, s)
		case replaced[in] != "":
			c.Input[i] = replaced[in]
		case d.inside[base] && strings.HasPrefix(in, "^"):
			c.Input[i] = "^" + base + suffix
		case d.inside[base] && found:
			c.Input[i] = base + suffix + ":" + rest
		}
	}
	d.added = append(d.added, c)
	return c.GetName()
}

// classOf is the attribute _class of an operation that wants the device of another.
func classOf(name string) *attrpb.AttrValue {
	return &attrpb.AttrValue{Value: &attrpb.AttrValue_List{List: &attrpb.AttrValue_ListValue{S: [][]byte{[]byte("loc:@" + name)}}}}
}
