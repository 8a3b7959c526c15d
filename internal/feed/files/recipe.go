package files

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"
)

// Recipe is what another process needs to read a data set's splits as this one
// would, without listing files or looking into them again.
type Recipe struct {
	Format  Format            `json:"format"`
	Schema  []byte            `json:"schema"`  // of the rows: an encapsulated Arrow message
	Sampled []string          `json:"sampled"` // all columns of the files, chosen or not
	Options map[string]string `json:"options"`
	BadRows bool              `json:"bad_rows,omitempty"` // ReadOptions.BadRows
}

// streamEnd is how long the end of an Arrow stream is, in bytes.
const streamEnd = 8

// Recipe describes a data set whose schema was not declared.
func (d *Dataset) Recipe() (Recipe, error) {
	if d.o.Schema != nil {
		return Recipe{}, errors.New("files: a recipe holds no declared schema")
	}
	var message bytes.Buffer
	w := ipc.NewWriter(&message, ipc.WithSchema(d.schema))
	if err := w.Close(); err != nil {
		return Recipe{}, fmt.Errorf("files: encode schema: %w", err)
	}
	return Recipe{
		Format: d.format, Schema: message.Bytes()[:message.Len()-streamEnd],
		Sampled: slices.Sorted(maps.Keys(d.o.sampled)), Options: d.o.Options, BadRows: d.o.BadRows,
	}, nil
}

// Dataset is the data set of the recipe, for Read: it knows none of its files.
// o says in what pieces it is read; what is read the recipe says.
func (r Recipe) Dataset(o ReadOptions) (*Dataset, error) {
	c, err := codecOf(r.Format)
	if err != nil {
		return nil, err
	}
	schema, err := DecodeSchema(r.Schema)
	if err != nil {
		return nil, fmt.Errorf("files: decode schema: %w", err)
	}
	o = ReadOptions{BatchRows: o.BatchRows, BatchBytes: o.BatchBytes, Memory: o.Memory, Options: r.Options, BadRows: r.BadRows}.withDefaults()
	o.sampled = make(map[string]bool, len(r.Sampled))
	for _, name := range r.Sampled {
		o.sampled[name] = true
	}
	return &Dataset{format: r.Format, codec: c, schema: schema, o: o}, nil
}

// DecodeSchema reads an encapsulated Arrow schema message.
func DecodeSchema(message []byte) (*arrow.Schema, error) {
	in, err := ipc.NewReader(bytes.NewReader(message))
	if err != nil {
		return nil, err
	}
	defer in.Release()
	return in.Schema(), nil
}
