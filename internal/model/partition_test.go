package model

import (
	"slices"
	"strings"
	"testing"

	attrpb "github.com/wamuir/graft/tensorflow/core/framework/attr_value_go_proto"
	functionpb "github.com/wamuir/graft/tensorflow/core/framework/function_go_proto"
	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	oppb "github.com/wamuir/graft/tensorflow/core/framework/op_def_go_proto"
	tensorpb "github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	shapepb "github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	slicepb "github.com/wamuir/graft/tensorflow/core/framework/tensor_slice_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"
)

// tableRows are rows of 4 float32: enough for two slices of 256 KiB.
const tableRows = 40_001

// shaped adds the static shape of a node's output.
func shaped(n *nodepb.NodeDef, shape ...int64) *nodepb.NodeDef {
	s := &shapepb.TensorShapeProto{}
	for _, d := range shape {
		s.Dim = append(s.Dim, &shapepb.TensorShapeProto_Dim{Size: d})
	}
	n.Attr[shapesAttr] = &attrpb.AttrValue{Value: &attrpb.AttrValue_List{List: &attrpb.AttrValue_ListValue{Shape: []*shapepb.TensorShapeProto{s}}}}
	return n
}

// op makes a node of a function, on floats.
func op(name, op string, inputs ...string) *nodepb.NodeDef {
	return &nodepb.NodeDef{Name: name, Op: op, Input: inputs, Attr: map[string]*attrpb.AttrValue{"T": typeAttr(Float32), "Tindices": typeAttr(Int64)}}
}

// ofTable makes a node of the table's update.
func ofTable(n *nodepb.NodeDef) *nodepb.NodeDef {
	n.Attr[classAttr] = classOf("table")
	return n
}

// ints makes a vector of int32, or a scalar.
func ints(name string, shape *shapepb.TensorShapeProto, values ...int32) *nodepb.NodeDef {
	n := constant(name, &tensorpb.TensorProto{Dtype: typespb.DataType_DT_INT32, TensorShape: shape, IntVal: values})
	var dims []int64
	for _, d := range shape.GetDim() {
		dims = append(dims, d.GetSize())
	}
	return shaped(n, dims...)
}

// tableGraph is a step that looks rows of a table up, and updates them as Keras's SGD
// with momentum does. change changes the step's nodes.
func tableGraph(change func(nodes map[string]*nodepb.NodeDef)) *corepb.MetaGraphDef {
	pb := trainable(testVariable{name: "table", shape: []int64{tableRows, 4}}, testVariable{name: "momentum", slotOf: "table", shape: []int64{tableRows, 4}}, testVariable{name: "rate"})
	scalar := &shapepb.TensorShapeProto{}
	ids := shaped(op("ids", "Identity", "x"), -1)
	ids.Attr["T"] = typeAttr(Int64)
	count := ofTable(shaped(op("count", "StridedSlice", "shape:output:0", "begin:output:0", "end:output:0", "end:output:0")))
	count.Attr["shrink_axis_mask"] = intAttr(1)
	nodes := []*nodepb.NodeDef{
		ints("axis", scalar, 0), ints("shape", vector(2), tableRows, 4), ofTable(ints("begin", vector(1), 0)), ofTable(ints("end", vector(1), 1)),
		shaped(op("read", "ReadVariableOp", "table"), tableRows, 4),
		shaped(op("rows", "GatherV2", "read:value:0", "x", "axis:output:0"), -1, 4),
		shaped(op("loss", "Mean", "rows:output:0", "axis:output:0")),
		shaped(op("gradient", "Neg", "rows:output:0"), -1, 4), ids,
		shaped(op("rate_value", "ReadVariableOp", "rate")),
		ofTable(shaped(op("scaled", "Mul", "gradient:y:0", "rate_value:value:0"), -1, 4)),
		count, ofTable(shaped(op("sum", "UnsortedSegmentSum", "scaled:z:0", "ids:output:0", "count:output:0"), tableRows, 4)),
		ofTable(shaped(op("before", "ReadVariableOp", "momentum"), tableRows, 4)),
		ofTable(shaped(op("after", "Sub", "before:value:0", "sum:output:0"), tableRows, 4)),
		ofTable(op("assign", "AssignVariableOp", "momentum", "after:z:0", "^before")),
		ofTable(op("apply", "ResourceScatterSub", "table", "ids:output:0", "scaled:z:0", "^read")),
		op("done", "NoOp", "^apply", "^assign"), shaped(op("counted", "ReadVariableOp", "counter")),
	}
	byName := map[string]*nodepb.NodeDef{}
	for _, n := range nodes {
		byName[n.GetName()] = n
	}
	change(byName)
	f := &functionpb.FunctionDef{Signature: &oppb.OpDef{Name: "Step"}, NodeDef: nodes, Ret: map[string]string{}, ControlRet: map[string]string{"apply": "apply", "assign": "assign"}}
	for _, name := range []string{"x", "table", "momentum", "rate", "counter"} {
		f.Signature.InputArg = append(f.Signature.InputArg, &oppb.OpDef_ArgDef{Name: name})
	}
	for _, name := range []string{"a", "b", "c", "d", "e"} { // those of trainable
		f.Signature.OutputArg = append(f.Signature.OutputArg, &oppb.OpDef_ArgDef{Name: name})
		f.Ret[name] = "loss:output:0"
	}
	f.Ret["c"] = "counted:value:0" // global_step
	pb.GraphDef.Library = &functionpb.FunctionDefLibrary{Function: []*functionpb.FunctionDef{f}}
	for _, n := range pb.GraphDef.Node {
		if n.GetName() == "step" {
			n.Op = "StatefulPartitionedCall"
			n.Attr = map[string]*attrpb.AttrValue{"f": {Value: &attrpb.AttrValue_Func{Func: &attrpb.NameAttrList{Name: "Step"}}}}
		}
	}
	return pb
}

// servedProgram returns the program of a worker with parameter servers.
func servedProgram(t *testing.T, pb *corepb.MetaGraphDef, servers int) (*TrainingProgram, *graphpb.GraphDef) {
	t.Helper()
	training, err := openTraining(t, pb, TrainingSource{Strategy: ParameterServer})
	if err != nil {
		t.Fatal(err)
	}
	program, err := training.Program(Cluster{Tasks: map[string]int{"ps": servers, "worker": 1}, Job: "worker"}, ProgramOptions{})
	if err != nil {
		t.Fatal(err)
	}
	def := &graphpb.GraphDef{}
	if err := proto.Unmarshal(program.Graph, def); err != nil {
		t.Fatal(err)
	}
	return program, def
}

// A large table and its slot variable become slices on two servers. Operations of the
// step keep their names.
func TestTablesAreDivided(t *testing.T) {
	program, def := servedProgram(t, tableGraph(func(map[string]*nodepb.NodeDef) {}), 2)
	if !slices.Equal(program.Divided, []string{"table"}) || len(program.Whole) > 0 {
		t.Errorf("divided %v, whole %v", program.Divided, program.Whole)
	}
	have := devices(t, program)
	for node, want := range map[string]string{"table/part_0": "ps:0", "momentum/part_0": "ps:0", "table/part_1": "ps:1", "momentum/part_1": "ps:1"} {
		if have[node] != want {
			t.Errorf("%s is on %q, want %q", node, have[node], want)
		}
	}
	inside := map[string]*nodepb.NodeDef{}
	for _, n := range def.GetLibrary().GetFunction()[0].GetNodeDef() {
		if inside[n.GetName()] != nil {
			t.Errorf("%s is there twice", n.GetName())
		}
		inside[n.GetName()] = n
	}
	second := "/job:ps/replica:0/task:1"
	for _, want := range []struct {
		name, op, device string
		inputs           []string
	}{
		{"rows", "Reshape", "", []string{"rows/slices/merged:merged:0", "rows/slices/shape:output:0"}},
		{"rows/slices/rows_1", "ResourceGather", second, []string{"table/part_1:resource:0", "rows/slices/local_1:z:0"}},
		{"read", "NoOp", "", []string{"^rows/slices/rows_0", "^rows/slices/rows_1"}},
		{"apply", "NoOp", "", []string{"^apply/slice_0", "^apply/slice_1"}},
		{"apply/slice_1", "ResourceScatterSub", second, []string{"table/part_1:resource:0", "table/slices/local_1:z:0", "scaled/slice_1:z:0", "^read"}},
		{"scaled/slice_1", "Mul", second, []string{"table/slices/values_0:outputs:1", "rate_value:value:0"}},
		{"count/slice_1", "StridedSlice", second, []string{"table/slices/shape_0_1:output:0", "begin/slice_1:output:0", "end/slice_1:output:0", "end/slice_1:output:0"}},
		{"assign/slice_1", "AssignVariableOp", second, []string{"momentum/part_1:resource:0", "after/slice_1:z:0", "^before/slice_1"}},
		{"done", "NoOp", "", []string{"^apply", "^assign"}},
	} {
		n := inside[want.name]
		if n.GetOp() != want.op || n.GetDevice() != want.device || !slices.Equal(n.GetInput(), want.inputs) {
			t.Errorf("%s: %s on %q takes %q, want %+v", want.name, n.GetOp(), n.GetDevice(), n.GetInput(), want)
		}
	}
	if shape, _ := integers(inside["table/slices/shape_0_1"].GetAttr()["value"].GetTensor()); !slices.Equal(shape, []int64{20_000, 4}) {
		t.Errorf("shape of the second slice: %v", shape)
	}
	if first, _ := integers(inside["table/slices/local_1/first"].GetAttr()["value"].GetTensor()); !slices.Equal(first, []int64{20_001}) {
		t.Errorf("first row of the second slice: %v", first)
	}
	if parts := constantsOf(t, program, "tfos/shards/1/slices"); !slices.Contains(parts, "40001 4 20001,20000:-") {
		t.Errorf("slices of the second server: %q", parts)
	}
	if parts := constantsOf(t, program, "tfos/save/slices"); !slices.Contains(parts, "40001 4 0,20001:-") {
		t.Errorf("slices of a gathered checkpoint: %q", parts)
	}
}

// A table whose uses cannot be divided stays whole, and the program says why. So does a
// small one, and one that its author has put on a server, in silence.
func TestTablesThatStayWhole(t *testing.T) {
	none := func(map[string]*nodepb.NodeDef) {}
	for name, test := range map[string]struct {
		change func(map[string]*nodepb.NodeDef)
		graph  func(*corepb.MetaGraphDef)
		want   string
	}{
		"read whole":       {func(n map[string]*nodepb.NodeDef) { n["loss"].Input[0] = "read:value:0" }, nil, "read (ReadVariableOp) is used outside of its update"},
		"other axis":       {func(n map[string]*nodepb.NodeDef) { n["axis"].Attr["value"].GetTensor().IntVal = []int32{1} }, nil, "read (ReadVariableOp) is used outside of its update"},
		"over rows":        {func(n map[string]*nodepb.NodeDef) { n["after"].Op = "Cumsum" }, nil, "after (Cumsum) cannot be computed for a part of its rows"},
		"dense gradient":   {func(n map[string]*nodepb.NodeDef) { shaped(n["gradient"], tableRows, 4) }, nil, "its update takes gradient:y:0, whose shape is [40001 4]"},
		"other rows":       {func(n map[string]*nodepb.NodeDef) { n["before"].Input[0] = "table" }, nil, ""},
		"used after it":    {func(n map[string]*nodepb.NodeDef) { n["loss"].Input[0] = "scaled:z:0" }, nil, "scaled (Mul) is used outside of its update"},
		"mixed":            {func(n map[string]*nodepb.NodeDef) { n["after"].Input[1] = "scaled:z:0" }, nil, "after (Sub) cannot be computed"},
		"count in a value": {func(n map[string]*nodepb.NodeDef) { n["after"].Input[1] = "count:output:0" }, nil, "after (Sub) cannot be computed"},
		"slot's shape": {none, func(pb *corepb.MetaGraphDef) {
			variableOf(pb, "momentum").Attr["shape"].GetShape().Dim[1].Size = 1
		}, "its slot variable momentum has another shape or type"},
		"saver": {none, func(pb *corepb.MetaGraphDef) {
			pb.GraphDef.Node[len(pb.GraphDef.Node)-1].Input[3] = "step:3"
		}, "the graph's saver saves more than variables"},
		"small":    {none, func(pb *corepb.MetaGraphDef) { variableOf(pb, "table").Attr["shape"].GetShape().Dim[0].Size = 30_000 }, "-"},
		"author's": {none, func(pb *corepb.MetaGraphDef) { variableOf(pb, "table").Device = "/job:ps/task:0" }, "-"},
	} {
		pb := tableGraph(test.change)
		if test.graph != nil {
			test.graph(pb)
		}
		program, _ := servedProgram(t, pb, 2)
		whole := strings.Join(program.Whole, "; ")
		switch {
		case test.want == "": // it is divided
			if len(program.Divided) != 1 {
				t.Errorf("%s: %q", name, whole)
			}
		case test.want == "-" && whole == "" && len(program.Divided) == 0:
		case len(program.Divided) > 0 || !strings.HasPrefix(whole, "table (625 KiB): "+test.want):
			t.Errorf("%s: divided %v, whole %q, want %q", name, program.Divided, whole, test.want)
		}
	}
}

func variableOf(pb *corepb.MetaGraphDef, name string) *nodepb.NodeDef {
	return pb.GraphDef.Node[slices.IndexFunc(pb.GraphDef.Node, func(n *nodepb.NodeDef) bool { return n.GetName() == name })]
}

// addDivision divides the sparse gradient by the momentum, in a branch as Keras does. The
// branches are functions of the graph.
func addDivision(pb *corepb.MetaGraphDef, otherwise ...*nodepb.NodeDef) {
	f := pb.GraphDef.Library.Function[0]
	branch := func(name string) *attrpb.AttrValue {
		return &attrpb.AttrValue{Value: &attrpb.AttrValue_Func{Func: &attrpb.NameAttrList{Name: name}}}
	}
	division := ofTable(op("cond", "StatelessIf", "any:output:0", "mask:output:0", "shape:output:0", "ids:output:0", "scaled:z:0", "before:value:0"))
	division.Attr["then_branch"], division.Attr["else_branch"] = branch("Then"), branch("Else")
	f.NodeDef = append(f.NodeDef, ofTable(shaped(op("bad", "IsNan", "before:value:0"), tableRows, 4)), ofTable(ints("columns", &shapepb.TensorShapeProto{}, 1)),
		ofTable(ints("all", vector(1), 0)), ofTable(shaped(op("mask", "Any", "bad:y:0", "columns:output:0"), tableRows)), ofTable(shaped(op("any", "Any", "mask:output:0", "all:output:0"))),
		division, ofTable(op("divided", "ResourceScatterSub", "table", "cond:output:1", "cond:output:0")))
	shapes := &attrpb.AttrValue{Value: &attrpb.AttrValue_List{List: &attrpb.AttrValue_ListValue{Shape: []*shapepb.TensorShapeProto{vector(tableRows)}}}}
	for _, name := range []string{"Then", "Else"} {
		pb.GraphDef.Library.Function = append(pb.GraphDef.Library.Function, &functionpb.FunctionDef{Signature: &oppb.OpDef{Name: name}, Attr: map[string]*attrpb.AttrValue{"_input_shapes": shapes},
			ArgAttr: map[uint32]*functionpb.FunctionDef_ArgAttrs{0: {Attr: map[string]*attrpb.AttrValue{shapesAttr: shapes}}},
			NodeDef: append([]*nodepb.NodeDef{ints("axis", &shapepb.TensorShapeProto{}, 0), op("gathered", "GatherV2"), op("quotient", "RealDiv"), op("out", "Identity")}, otherwise...)})
	}
}

// Keras's division in a branch is divided, each slice with a branch of its own, and the
// branches forget how many rows there were. Another branch is not.
func TestDivisionInABranch(t *testing.T) {
	none := func(map[string]*nodepb.NodeDef) {}
	pb := tableGraph(none)
	addDivision(pb)
	program, def := servedProgram(t, pb, 2)
	if !slices.Equal(program.Divided, []string{"table"}) {
		t.Errorf("whole %v", program.Whole)
	}
	for _, f := range def.GetLibrary().GetFunction() {
		switch f.GetSignature().GetName() {
		case "Step":
			for _, n := range f.GetNodeDef() {
				if want := []string{"table/part_1:resource:0", "cond/slice_1:output:1", "cond/slice_1:output:0"}; n.GetName() == "divided/slice_1" && !slices.Equal(n.GetInput(), want) {
					t.Errorf("takes %q", n.GetInput())
				}
			}
		default:
			if text := f.String(); strings.Contains(text, "40001") {
				t.Errorf("%s knows the rows", f.GetSignature().GetName())
			}
		}
	}
	for name, other := range map[string]*nodepb.NodeDef{"an operation": op("sum", "Sum"), "the rows": ints("rows", &shapepb.TensorShapeProto{}, tableRows)} {
		pb := tableGraph(none)
		addDivision(pb, other)
		if program, _ := servedProgram(t, pb, 2); len(program.Divided) > 0 || !strings.Contains(strings.Join(program.Whole, ""), "cond (StatelessIf) cannot be computed") {
			t.Errorf("%s: divided %v, whole %q", name, program.Divided, program.Whole)
		}
	}
}

// A slice has at least 256 KiB, and no server has two slices of a variable.
func TestSlicesByBytes(t *testing.T) {
	for _, test := range []struct {
		rows, columns int64
		servers, want int
	}{{40_001, 4, 2, 2}, {40_001, 4, 1, 1}, {40_001, 4, 8, 2}, {32_767, 4, 8, 1}, {32_768, 4, 8, 2}, {3, 1 << 20, 8, 3}, {1 << 20, 64, 8, 8}} {
		v := &trainedVariable{variable: variable{node: variableNode("v", Float32, nil)}, key: "v", dtype: Float32,
			shape: &shapepb.TensorShapeProto{Dim: []*shapepb.TensorShapeProto_Dim{{Size: test.rows}, {Size: test.columns}}}}
		if have := v.sliceCount(test.servers); have != test.want {
			t.Errorf("%+v: %d slices", test, have)
		}
	}
	if least := leastLoaded([]int64{5, 1, 3}, []int{1}); least != 2 {
		t.Errorf("server %d", least)
	}
}

// An export takes a value that is stored in slices under another key, with its slices.
func TestSlicesAreCopiedWithTheirValue(t *testing.T) {
	entry := func(offset, size int64) *corepb.BundleEntryProto {
		return &corepb.BundleEntryProto{Dtype: typespb.DataType_DT_FLOAT, Offset: offset, Size: size}
	}
	whole := entry(0, 0)
	whole.Slices = []*slicepb.TensorSliceProto{{}, {}}
	from := &bundle{prefix: "from", header: &corepb.BundleHeaderProto{NumShards: 1},
		entries: map[string]*corepb.BundleEntryProto{"table": whole, sliceKey("table") + "1": entry(4, 8), sliceKey("table") + "2": entry(20, 8), sliceKey("table/m") + "1": entry(12, 8)}}
	w := newValuesWriter()
	w.copyValue("kept", from, "table")
	want := []Piece{{"from.data-00000-of-00001", 4, 8}, {"from.data-00000-of-00001", 20, 8}}
	if !slices.Equal(w.data, want) || len(w.entries) != 3 || len(w.entries["kept"].GetSlices()) != 2 || w.entries[sliceKey("kept")+"2"].GetOffset() != 8 {
		t.Errorf("%v, %v", w.data, w.entries)
	}
	if sameValue(whole, proto.CloneOf(whole)) {
		t.Error("values in slices are compared without their checksums")
	}
}
