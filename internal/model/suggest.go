package model

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Suggestion has the settings of a job file that runs a model for all outputs that
// columns can hold. It uses the default signature, or the first that has such an
// output. Without signatures it uses the tensors that no operation takes. If Outputs
// is empty, no job can run the model, and Notes say why.
type Suggestion struct {
	Source    Source // without TagSet if the default is right
	Signature string // "": the default, or none
	Inputs    []Pair // fed by columns
	Constants []SuggestedConstant
	Outputs   []Pair
	// BinaryOutputs are aliases of outputs whose strings may not be text.
	BinaryOutputs []string
	// Libraries are the names of libraries that have the graph's custom operations.
	Libraries []string
	// Notes say what else a user must know or decide.
	Notes []string
}

// Pair is a tensor and a name for its column. The names within a list differ.
type Pair struct {
	Tensor
	Column string
}

// SuggestedConstant is an input that has one value for all rows, and a guess of the
// value that predictions need.
type SuggestedConstant struct {
	Tensor
	Value any
}

const servingDefault = "serving_default"

// Suggest says how a job runs the model. It returns nil for a graph without its
// checkpoint and for variables without their graph.
func (d *Description) Suggest() *Suggestion {
	if len(d.Graphs) == 0 || d.Kind == KindGraph {
		return nil
	}
	g := d.defaultGraph()
	s := &Suggestion{Source: Source{Model: d.Path}}
	switch tags := strings.Join(g.Tags, ","); {
	case d.Kind == KindCheckpoint:
		s.Source = Source{Checkpoint: d.Path}
	case tags != "serve":
		s.Source.TagSet = g.Tags
	}
	if sig := g.defaultSignature(); sig != nil {
		if sig.Name != servingDefault {
			s.Signature = sig.Name
		}
		s.setSignature(g, sig)
	} else {
		ends := g.Ends()
		s.setTensors(g.placeholdersOf(ends), ends)
	}
	s.addOperationNotes(g)
	return s
}

// defaultGraph returns the graph of the tag set {serve}, or else the first.
func (d *Description) defaultGraph() *MetaGraph {
	for _, g := range d.Graphs {
		if slices.Equal(g.Tags, []string{"serve"}) {
			return g
		}
	}
	return d.Graphs[0]
}

// defaultSignature returns the default signature, or else the first that has an output
// for a column. It returns nil if there is none.
func (g *MetaGraph) defaultSignature() *Signature {
	if sig, err := g.Signature(""); err == nil {
		return sig
	}
	for _, sig := range g.Signatures {
		if slices.ContainsFunc(sig.Outputs, func(t Tensor) bool { return t.unfit() == "" }) {
			return sig
		}
	}
	return nil
}

// setSignature sets the outputs of a signature that a job can request, and the inputs
// that they need. Other outputs get a note.
func (s *Suggestion) setSignature(g *MetaGraph, sig *Signature) {
	needed := map[string]bool{}
	var outputs []Tensor
	for _, t := range sig.Outputs {
		inputs, reason := g.requiredInputs(sig, t)
		if reason != "" {
			s.addNote("output %s is left out: %s", t.Alias, reason)
			continue
		}
		outputs = append(outputs, t)
		for _, in := range inputs {
			needed[in.Alias] = true
		}
	}
	s.setTensors(slices.DeleteFunc(slices.Clone(sig.Inputs), func(t Tensor) bool { return !needed[t.Alias] }), outputs)
}

// requiredInputs returns the inputs that an output of a signature depends on. If a job
// cannot request the output, it returns the reason.
func (g *MetaGraph) requiredInputs(sig *Signature, output Tensor) (inputs []Tensor, reason string) {
	if reason := output.unfit(); reason != "" {
		return nil, reason
	}
	chosen, err := g.Choose(sig.Name, Mapping{Outputs: map[string]string{output.Alias: output.Alias}})
	if err != nil {
		var known *ModelError
		if errors.As(err, &known) {
			return nil, known.Reason()
		}
		return nil, err.Error()
	}
	for _, in := range chosen.Inputs {
		if reason := in.unfeedable(); reason != "" {
			return nil, fmt.Sprintf("it needs input %s: %s", in.Alias, reason)
		}
	}
	return chosen.Inputs, ""
}

// setTensors sets Outputs, and sorts inputs into Inputs and Constants.
func (s *Suggestion) setTensors(inputs, outputs []Tensor) {
	var fed []Tensor
	fixed := map[int64]bool{}
	for _, t := range inputs {
		switch {
		case t.scalar() && t.Default:
			s.addNote("input %s has a value of the graph's own; constants can set another", t.Alias)
		case t.scalar():
			s.Constants = append(s.Constants, SuggestedConstant{t, t.neutralValue()})
		default:
			if !t.UnknownRank && t.Shape[0] > 1 {
				fixed[t.Shape[0]] = true
			}
			fed = append(fed, t)
		}
	}
	for rows := range fixed {
		s.addNote("the model takes %d rows at a time; pad_last_batch: true where they do not influence one another", rows)
	}
	s.Inputs, s.Outputs = nameColumns(fed), nameColumns(outputs)
}

func (s *Suggestion) addNote(format string, args ...any) {
	s.Notes = append(s.Notes, fmt.Sprintf(format, args...))
}

// neutralValue guesses the value of a scalar input for predictions: no training, no
// dropout, a factor of 1.
func (t Tensor) neutralValue() any {
	name := strings.ToLower(t.Alias)
	switch {
	case t.Type == Bool:
		return false
	case t.Type == String:
		return ""
	case t.Type.integer():
		return 1
	case strings.Contains(name, "rate") || strings.Contains(name, "drop"):
		return 0.0
	}
	return 1.0
}

// nameColumns names a column for each tensor: by the last part of its alias, else by
// the whole alias, else by the alias and a number. It takes the first that is free.
func nameColumns(tensors []Tensor) []Pair {
	taken := map[string]bool{}
	pairs := make([]Pair, len(tensors))
	for i, t := range tensors {
		short, _, _ := strings.Cut(path.Base(t.Alias), ":")
		long := strings.NewReplacer("/", "_", ":", "_").Replace(t.Alias)
		column := short
		if column == "" || taken[column] {
			column = long
		}
		for n := 2; taken[column]; n++ {
			column = fmt.Sprintf("%s_%d", long, n)
		}
		taken[column] = true
		pairs[i] = Pair{t, column}
	}
	return pairs
}

// byteOperations are operations whose strings may not be text.
var byteOperations = []string{"EncodePng", "EncodeJpeg", "EncodeJpegVariableQuality", "EncodeWav", "SerializeTensor", "EncodeProto",
	"EncodeCompressed", "DecodeBase64", "SerializeSparse"}

// addOperationNotes adds the settings and notes that the graph's operations require:
// binary outputs, libraries, whole records as input.
func (s *Suggestion) addOperationNotes(g *MetaGraph) {
	used := g.usedOperations()
	bytes := slices.ContainsFunc(byteOperations, func(op string) bool { return used[op] })
	for _, o := range s.Outputs {
		if bytes && o.Type == String {
			s.BinaryOutputs = append(s.BinaryOutputs, o.Alias)
		}
	}
	if in := s.Inputs; len(in) == 1 && in[0].Type == String && (used["ParseExample"] || used["ParseExampleV2"]) {
		s.addNote("input %s takes whole tf.Example records: from TFRecord files with input.options {recordType: ByteArray} and the column byteArray", in[0].Alias)
	}
	custom := g.CustomOperations()
	for library, names := range custom {
		if library == "" {
			s.addNote("operation %s is not TensorFlow's: name the library that has it in tensorflow.op_libraries", names[0])
			continue
		}
		s.Libraries = append(s.Libraries, library)
	}
	slices.Sort(s.Libraries)
	slices.Sort(s.Notes)
}

// usedOperations returns the operations of the graph and of its functions.
func (g *MetaGraph) usedOperations() map[string]bool {
	used := map[string]bool{}
	for _, n := range g.pb.GetGraphDef().GetNode() {
		used[n.GetOp()] = true
	}
	for _, f := range g.pb.GetGraphDef().GetLibrary().GetFunction() {
		for _, n := range f.GetNodeDef() {
			used[n.GetOp()] = true
		}
	}
	return used
}
