package infer

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/files"
	"tfos/internal/model"
)

// Identity is what all parts of one output have in common. Parts of equal identities
// may be in one folder, whichever run made them. The rows of a batch and the number of
// threads are not in it.
type Identity struct {
	Kind      Kind     `json:"kind,omitempty"` // of the parts; earlier versions wrote none
	Digest    string   `json:"digest"`         // model.Source.Digest
	TagSet    []string `json:"tag_set"`
	Signature string   `json:"signature"`
	// The mappings as the model and the data settled them: every input and
	// output.
	InputMapping  map[string]string `json:"input_mapping"`
	OutputMapping map[string]string `json:"output_mapping"`
	Keep          []string          `json:"keep"`
	// Constants are inputs with their values as JSON; BinaryOutputs are in the
	// order of outputs.
	Constants     map[string]string `json:"constants,omitempty"`
	BinaryOutputs []string          `json:"binary_outputs,omitempty"`
	Format        files.Format      `json:"format"`
	// How the input is read. Schema is the columns that are used, as
	// "name: type"; empty where each file has its own.
	InputFormat files.Format      `json:"input_format"`
	Options     map[string]string `json:"options"`
	Schema      []string          `json:"schema"`
	// Of Kind Partitions: the table or query, the columns by which the output is
	// partitioned, and Table's Plan and Settings.
	Query       string            `json:"query,omitempty"`
	PartitionBy []string          `json:"partition_by,omitempty"`
	Plan        string            `json:"plan,omitempty"`
	Settings    map[string]string `json:"settings,omitempty"`
}

// UnmarshalJSON finds the kind of an identity that an earlier version has written:
// there only one of Partitions has a plan.
func (id *Identity) UnmarshalJSON(text []byte) error {
	type plain Identity
	if err := json.Unmarshal(text, (*plain)(id)); err != nil {
		return err
	}
	switch {
	case id.Kind != "":
	case id.Plan != "":
		id.Kind = Partitions
	default:
		id.Kind = Splits
	}
	return nil
}

// Identify returns the identity of the parts that a request would make. The request's
// Input must be filled in. Identify opens the model's graph, and no data.
func Identify(ctx context.Context, req *SplitsRequest) (Identity, error) {
	signature, err := req.chooseSignature()
	if err != nil {
		return Identity{}, err
	}
	data, err := req.Input.Dataset(files.ReadOptions{})
	if err != nil {
		return Identity{}, err
	}
	data = Fit(signature, data, req.InputMapping, req.Keep)
	bind, err := model.Check(signature, data.Schema(), req.Mapping())
	if err != nil {
		return Identity{}, err
	}
	if err := ctx.Err(); err != nil {
		return Identity{}, err
	}
	id, err := identify(req, data, bind)
	if err == nil {
		id.Digest, err = req.Digest()
	}
	return id, err
}

// identify returns the identity without the model's digest.
func identify(req *SplitsRequest, data *files.Dataset, bind *model.Binding) (Identity, error) {
	id := req.boundIdentity(bind)
	id.Kind, id.Format, id.InputFormat, id.Options = Splits, req.Format, req.Input.Format, req.Input.Options
	typedFiles := req.Input.Format == files.Parquet || req.Input.Format == files.Arrow
	used, err := data.Select(bind.Columns()...)
	if err != nil {
		return id, err
	}
	for _, f := range used.Schema().Fields() {
		switch inFolders := data.InFolders(f.Name); { // whose types all folders decide
		case inFolders && f.Type.ID() == arrow.TIMESTAMP:
			id.Schema = append(id.Schema, typed(f)+" from "+req.Input.Zone)
		case inFolders || !typedFiles:
			id.Schema = append(id.Schema, typed(f))
		}
	}
	return id, nil
}

// boundIdentity returns the part of the identity that depends on the computation and
// its binding.
func (c *Computation) boundIdentity(bind *model.Binding) Identity {
	id := Identity{
		TagSet: c.TagSet, Signature: c.Signature, Keep: c.Keep,
		InputMapping: map[string]string{}, OutputMapping: map[string]string{},
	}
	for _, in := range bind.Inputs {
		id.InputMapping[in.Column] = in.Alias
	}
	for _, out := range bind.Outputs {
		id.OutputMapping[out.Alias] = out.Column
		if out.Binary {
			id.BinaryOutputs = append(id.BinaryOutputs, out.Alias)
		}
	}
	for _, constant := range bind.Constants {
		if id.Constants == nil {
			id.Constants = map[string]string{}
		}
		id.Constants[constant.Alias] = constant.Text
	}
	return id
}

func typed(f arrow.Field) string { return fmt.Sprintf("%s: %s", f.Name, f.Type) }

// Equal says whether parts of both may be in one folder.
func (id Identity) Equal(other Identity) bool { return len(id.Differences(other)) == 0 }

// Differences names what differs, by the keys of the job file. If all else is the
// same, it names the columns' types that other has.
func (id Identity) Differences(other Identity) []string {
	var names []string
	for _, f := range []struct {
		name string
		same bool
	}{
		{"the model", id.Digest == other.Digest},
		{"tag_set", slices.Equal(id.TagSet, other.TagSet)},
		{"signature_def_key", id.Signature == other.Signature},
		{"input_mapping", maps.Equal(id.InputMapping, other.InputMapping)},
		{"output_mapping", maps.Equal(id.OutputMapping, other.OutputMapping)},
		{"keep", slices.Equal(id.Keep, other.Keep)},
		{"constants", maps.Equal(id.Constants, other.Constants)},
		{"binary_outputs", slices.Equal(id.BinaryOutputs, other.BinaryOutputs)},
		{"output.format", id.Format == other.Format},
		{"input.format", id.InputFormat == other.InputFormat},
		{"input.options", maps.Equal(id.Options, other.Options)},
		{"read_by", id.Kind == other.Kind},
		{"the table or query", id.Query == other.Query},
		{"output.partition_by", slices.Equal(id.PartitionBy, other.PartitionBy)},
	} {
		if !f.same {
			names = append(names, f.name)
		}
	}
	if id.Kind == Partitions && other.Kind == Partitions {
		names = append(names, changed(id.Settings, other.Settings)...)
	}
	if len(names) == 0 && !slices.Equal(id.Schema, other.Schema) {
		names = append(names, "the columns' types ("+strings.Join(other.Schema, ", ")+")")
	}
	if len(names) == 0 && id.Plan != other.Plan {
		names = append(names, "what Spark does to read the input (a view, a table's settings or columns, or Spark itself has changed)")
	}
	return names
}

// changed returns the keys, in order, whose values differ.
func changed(a, b map[string]string) []string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, b)
	return slices.DeleteFunc(slices.Sorted(maps.Keys(all)), func(key string) bool {
		va, inA := a[key]
		vb, inB := b[key]
		return inA && inB && va == vb
	})
}

// Known says whether there is an identity: older manifests have none.
func (id Identity) Known() bool { return !reflect.ValueOf(id).IsZero() }
