package model

import (
	"fmt"
	"strings"

	attrpb "github.com/wamuir/graft/tensorflow/core/framework/attr_value_go_proto"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	variablepb "github.com/wamuir/graft/tensorflow/core/framework/variable_go_proto"
	"google.golang.org/protobuf/proto"
)

// Collections of TensorFlow 1 (tensorflow/python/framework/ops.py, GraphKeys).
const (
	trainOpCollection   = "train_op"
	lossesCollection    = "losses"
	penaltiesCollection = "regularization_losses"
	initCollection      = "init_op"
	localInitCollection = "local_init_op"
	globalCollection    = "variables"
	localCollection     = "local_variables"
)

// byCollections reports whether the graph's collections have something to train.
func (t *Training) byCollections() bool {
	return len(t.nodeCollection(trainOpCollection)) > 0 || strings.HasSuffix(t.Path, metaSuffix)
}

// nodeCollection returns the names in a collection of operations or tensors.
func (t *Training) nodeCollection(name string) []string {
	return t.graph.pb.GetCollectionDef()[name].GetNodeList().GetValue()
}

// variableCollection returns the variables of a collection.
func (t *Training) variableCollection(name string) ([]*variablepb.VariableDef, error) {
	var found []*variablepb.VariableDef
	for _, raw := range t.graph.pb.GetCollectionDef()[name].GetBytesList().GetValue() {
		def := &variablepb.VariableDef{}
		if err := proto.Unmarshal(raw, def); err != nil {
			return nil, &ModelError{Path: t.Path, Problem: "its collection " + name + " is damaged", Remedy: "write it again", Err: err}
		}
		found = append(found, def)
	}
	return found, nil
}

// takeCollections takes what TensorFlow 1's collections say of the training. A step runs
// the train op. The loss is the sum of the losses, as tf.losses.get_total_loss has it.
// An evaluation computes the loss alone.
func (t *Training) takeCollections(s TrainingSource) error {
	ops := t.nodeCollection(trainOpCollection)
	losses := append(t.nodeCollection(lossesCollection), t.nodeCollection(penaltiesCollection)...)
	switch {
	case len(ops) == 0:
		return &ModelError{Path: t.Path, Problem: "the graph has no signature, and no operation in its collection train_op",
			Remedy: "call tf.compat.v1.add_to_collection(\"train_op\", train_op) before it is written"}
	case len(t.nodeCollection(lossesCollection)) == 0:
		return &ModelError{Path: t.Path, Problem: "the graph has no tensor in its collection losses",
			Remedy: "compute the loss with tf.compat.v1.losses, or call tf.compat.v1.losses.add_loss(loss) before it is written"}
	case t.strategy == AllReduce:
		return &ModelError{Path: t.Path, Problem: "strategy all_reduce needs a graph that averages gradients over workers, and a .meta file has none",
			Remedy: "tfos.graph.export_training writes one, or train with strategy: parameter_server"}
	}
	for _, op := range ops {
		name, _, _ := strings.Cut(op, ":")
		t.updates = append(t.updates, name)
	}
	loss, err := t.addTotal(losses)
	if err != nil {
		return err
	}
	t.Metrics = []Tensor{loss}
	needed := []Tensor{loss}
	for _, op := range t.updates {
		needed = append(needed, Tensor{Name: op})
	}
	t.Train = &Signature{Name: s.Train, Inputs: t.placeholders(needed)}
	if s.Eval != "" {
		t.EvalMetrics = t.Metrics
		t.Eval = &Signature{Name: s.Eval, Inputs: t.placeholders(needed[:1])}
	}
	return nil
}

// placeholders returns the inputs that tensors need. Their aliases are the names of
// their operations.
func (t *Training) placeholders(needed []Tensor) []Tensor {
	found := t.graph.placeholdersOf(needed)
	for i, in := range found {
		found[i].Alias, _, _ = strings.Cut(in.Name, ":")
	}
	sortTensors(found)
	return found
}

// addTotal returns the sum of losses. It adds a node to the graph if there are several.
func (t *Training) addTotal(losses []string) (Tensor, error) {
	total := Tensor{}
	for _, name := range losses {
		loss, err := t.graph.Tensor(indexed(name))
		if err != nil {
			return total, err
		}
		if !loss.Type.floating() || !loss.UnknownRank && !loss.scalar() || total.Name != "" && total.Type != loss.Type {
			return total, &ModelError{Path: t.Path, Problem: fmt.Sprintf("the loss %s in its collection losses is %s, not one floating-point number of the type of the others", name, loss),
				Remedy: "add the mean over the batch to the collection: tf.reduce_mean(loss)"}
		}
		total = loss
	}
	total.Alias = "loss"
	if len(losses) == 1 {
		return total, nil
	}
	node := &nodepb.NodeDef{Name: ownScope + "/loss", Op: "AddN", Input: losses, Attr: map[string]*attrpb.AttrValue{
		"N": intAttr(len(losses)), "T": typeAttr(total.Type)}}
	t.graph.pb.GraphDef.Node = append(t.graph.pb.GraphDef.Node, node)
	t.graph.nodes[node.Name] = len(t.graph.pb.GraphDef.Node) - 1
	total.Name = node.Name + ":0"
	return total, nil
}
