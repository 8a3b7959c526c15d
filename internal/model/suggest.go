package model

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Suggestion is what a job file says to run a model on all of its outputs that
// columns can hold: the first graph's default signature, or its first one; without
// signatures the tensors that nothing else uses. Without Outputs no job runs it,
// and Notes say why.
type Suggestion struct {
	Source    Source // without TagSet where the default is meant
	Signature string // "": the default, or none
	Inputs    []Pair // that columns feed
	Constants []SuggestedConstant
	Outputs   []Pair
	// BinaryOutputs are aliases of outputs whose strings may be no text.
	BinaryOutputs []string
	// Libraries are the names of libraries that have the graph's custom operations.
	Libraries []string
	// Notes are what a user must know or decide beside these lines.
	Notes []string
}

// Pair is a tensor and a name for its column. The names of one list differ.
type Pair struct {
	Tensor
	Column string
}

// SuggestedConstant is an input that has one value for all rows, and a value that
// runs: a guess of the one that leaves the model as it is when it predicts.
type SuggestedConstant struct {
	Tensor
	Value any
}

const servingDefault = "serving_default"

// Suggest says how a job runs the model. It is nil where none can: a graph
// without its checkpoint, variables without their graph.
func (d *Description) Suggest() *Suggestion {
	if len(d.Graphs) == 0 || d.Kind == KindGraph {
		return nil
	}
	g := d.suggested()
	s := &Suggestion{Source: Source{Model: d.Path}}
	switch tags := strings.Join(g.Tags, ","); {
	case d.Kind == KindCheckpoint:
		s.Source = Source{Checkpoint: d.Path}
	case tags != "serve":
		s.Source.TagSet = g.Tags
	}
	if sig := g.suggested(); sig != nil {
		if sig.Name != servingDefault {
			s.Signature = sig.Name
		}
		s.takeSignature(g, sig)
	} else {
		ends := g.Ends()
		s.take(g.neededBy(ends), ends)
	}
	s.look(g)
	return s
}

// suggested is the graph of the tag set {serve}, or the first.
func (d *Description) suggested() *MetaGraph {
	for _, g := range d.Graphs {
		if slices.Equal(g.Tags, []string{"serve"}) {
			return g
		}
	}
	return d.Graphs[0]
}

// suggested is the default signature, or the first that has an output for a
// column; nil: there is none.
func (g *MetaGraph) suggested() *Signature {
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

// takeSignature takes the outputs of a signature that a job can ask for, and the
// inputs that they need.
func (s *Suggestion) takeSignature(g *MetaGraph, sig *Signature) {
	needed := map[string]bool{}
	var outputs []Tensor
	for _, t := range sig.Outputs {
		inputs, reason := g.needs(sig, t)
		if reason != "" {
			s.note("output %s is left out: %s", t.Alias, reason)
			continue
		}
		outputs = append(outputs, t)
		for _, in := range inputs {
			needed[in.Alias] = true
		}
	}
	s.take(slices.DeleteFunc(slices.Clone(sig.Inputs), func(t Tensor) bool { return !needed[t.Alias] }), outputs)
}

// needs are the inputs that an output of a signature depends on, or why a job
// cannot ask for it.
func (g *MetaGraph) needs(sig *Signature, output Tensor) (inputs []Tensor, reason string) {
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

// take sorts inputs into those that columns feed and constants.
func (s *Suggestion) take(inputs, outputs []Tensor) {
	var fed []Tensor
	fixed := map[int64]bool{}
	for _, t := range inputs {
		switch {
		case t.scalar() && t.Default:
			s.note("input %s has a value of the graph's own; constants can set another", t.Alias)
		case t.scalar():
			s.Constants = append(s.Constants, SuggestedConstant{t, t.neutral()})
		default:
			if !t.UnknownRank && t.Shape[0] > 1 {
				fixed[t.Shape[0]] = true
			}
			fed = append(fed, t)
		}
	}
	for rows := range fixed {
		s.note("the model takes %d rows at a time; pad_last_batch: true where they do not influence one another", rows)
	}
	s.Inputs, s.Outputs = withColumns(fed), withColumns(outputs)
}

func (s *Suggestion) note(format string, args ...any) {
	s.Notes = append(s.Notes, fmt.Sprintf(format, args...))
}

// neutral is a value for a scalar input that is one for all rows: no training, no
// dropout, a factor of 1.
func (t Tensor) neutral() any {
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

// withColumns names a column for each tensor: the last part of its name, or all of
// it, or that with a number, where others have that name.
func withColumns(tensors []Tensor) []Pair {
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

// Operations that make bytes which are no text.
var byteOperations = []string{"EncodePng", "EncodeJpeg", "EncodeJpegVariableQuality", "EncodeWav", "SerializeTensor", "EncodeProto",
	"EncodeCompressed", "DecodeBase64", "SerializeSparse"}

// look finds in the graph's operations what a job must say of it.
func (s *Suggestion) look(g *MetaGraph) {
	used := g.usedOperations()
	bytes := slices.ContainsFunc(byteOperations, func(op string) bool { return used[op] })
	for _, o := range s.Outputs {
		if bytes && o.Type == String {
			s.BinaryOutputs = append(s.BinaryOutputs, o.Alias)
		}
	}
	if in := s.Inputs; len(in) == 1 && in[0].Type == String && (used["ParseExample"] || used["ParseExampleV2"]) {
		s.note("input %s takes whole tf.Example records: from TFRecord files with input.options {recordType: ByteArray} and the column byteArray", in[0].Alias)
	}
	custom := g.CustomOperations()
	for library, names := range custom {
		if library == "" {
			s.note("operation %s is not TensorFlow's: name the library that has it in tensorflow.op_libraries", names[0])
			continue
		}
		s.Libraries = append(s.Libraries, library)
	}
	slices.Sort(s.Libraries)
	slices.Sort(s.Notes)
}

// usedOperations are the operations of the graph and of its functions.
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
