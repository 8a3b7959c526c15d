package model

import (
	"fmt"
	"path/filepath"
	"strings"
)

// withoutGraph returns the error for a checkpoint without a .meta file beside it.
// The names of TensorFlow 2 variables tell with which call a program restores them.
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

// checkpointHolder returns the first part of the name that most variables of a
// TensorFlow 2 checkpoint share. It is "" for a checkpoint of TensorFlow 1.
func checkpointHolder(variables []Variable) string {
	count, most := map[string]int{}, ""
	for _, v := range variables { // sorted by name, so that ties have one result
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
