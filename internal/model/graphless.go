package model

import (
	"fmt"
	"path/filepath"
	"strings"
)

// withoutGraph is the error of a checkpoint that has no .meta file beside it. What
// TensorFlow 2 names its variables by says how a program reads them.
func withoutGraph(prefix string) error {
	e := &ModelError{Path: prefix, Problem: "the checkpoint has variables and no graph: there is no " + filepath.Base(prefix) + metaSuffix}
	variables, err := Variables(prefix)
	if err != nil {
		return err
	}
	holder := checkpointHolder(variables)
	export := fmt.Sprintf("; model.export(%s)", pythonQuote(exported(prefix)))
	switch {
	case holder == "":
		e.Remedy = "copy the .meta file beside it, or export a SavedModel from the program that made it: it runs as export_dir"
		return e
	case strings.HasPrefix(holder, "layer_with_weights-"):
		e.Command = fmt.Sprintf("model.load_weights(%s)", pythonQuote(prefix))
	case holder == "layers", holder == "_layer_checkpoint_dependencies", holder == "variables":
		e.Command = fmt.Sprintf("tf.train.Checkpoint(model).restore(%s).expect_partial()", pythonQuote(prefix))
	default:
		e.Command = fmt.Sprintf("tf.train.Checkpoint(%s=model).restore(%s).expect_partial()", holder, pythonQuote(prefix))
	}
	e.Remedy = "in the program that builds the model:"
	e.Command += export
	return e
}

// checkpointHolder is the name under which a checkpoint of TensorFlow 2 has most
// of its variables; "": it is not of TensorFlow 2.
func checkpointHolder(variables []Variable) string {
	count, most := map[string]int{}, ""
	for _, v := range variables { // sorted, so that the first of equals is always the same
		if !strings.HasSuffix(v.Name, "/.ATTRIBUTES/VARIABLE_VALUE") {
			continue
		}
		name, _, _ := strings.Cut(v.Name, "/")
		if name == "optimizer" || name == "save_counter" || strings.HasPrefix(name, "_CHECKPOINT") {
			continue
		}
		count[name]++
		if count[name] > count[most] {
			most = name
		}
	}
	return most
}
