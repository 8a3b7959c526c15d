package files

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // executors may have none

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"
)

// Recipe is what another process needs to read a data set's splits as this one
// would, without listing files or looking into them again.
type Recipe struct {
	Format  Format            `json:"format"`
	Schema  []byte            `json:"schema"`  // of the rows: an encapsulated Arrow message
	Sampled []string          `json:"sampled"` // filestest.ReadAll columns of the files, chosen or not
	Options map[string]string `json:"options"`
	BadRows bool              `json:"bad_rows,omitempty"` // ReadOptions.BadRows
	// Folders are the columns in the names of files' folders, from the outermost
	// on; Zone is the time zone of the times among them.
	Folders []string `json:"folders,omitempty"`
	Zone    string   `json:"zone,omitempty"`
}

// streamEnd is how long the end of an Arrow stream is, in bytes.
const streamEnd = 8

// Recipe describes a data set whose schema was not declared.
func (d *Dataset) Recipe() (Recipe, error) {
	if d.O.Schema != nil {
		return Recipe{}, errors.New("files: a recipe holds no declared schema")
	}
	var message bytes.Buffer
	w := ipc.NewWriter(&message, ipc.WithSchema(d.schema))
	if err := w.Close(); err != nil {
		return Recipe{}, fmt.Errorf("files: encode schema: %w", err)
	}
	zone, err := d.in.zoneName()
	if err != nil {
		return Recipe{}, err
	}
	return Recipe{
		Format: d.format, Schema: message.Bytes()[:message.Len()-streamEnd],
		Sampled: slices.Sorted(maps.Keys(d.O.Sampled)), Options: d.O.Options, BadRows: d.O.BadRows,
		Folders: d.in.names(), Zone: zone,
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
	o = ReadOptions{BatchRows: o.BatchRows, BatchBytes: o.BatchBytes, Memory: o.Memory, Options: r.Options, BadRows: r.BadRows}.WithDefaults()
	o.Others = known{}
	o.Sampled = make(map[string]bool, len(r.Sampled))
	for _, name := range r.Sampled {
		o.Sampled[name] = true
	}
	d := &Dataset{format: r.Format, codec: c, schema: schema, O: o}
	d.in, err = r.folders(schema)
	return d, err
}

// folders are the columns in the names of folders; those that are not wanted
// have no type.
func (r Recipe) folders(schema *arrow.Schema) (f folders, err error) {
	for _, name := range r.Folders {
		field := arrow.Field{Name: name}
		if known, ok := schema.FieldsByName(name); ok {
			field = known[0]
		}
		f.fields = append(f.fields, field)
	}
	if f.zone, err = time.LoadLocation(r.Zone); err != nil {
		err = fmt.Errorf("files: time zone of the folders' columns: %w", err)
	}
	return f, err
}

// zoneName is the name of the time zone, "" where no column is of times.
func (f folders) zoneName() (string, error) {
	if !slices.ContainsFunc(f.fields, func(field arrow.Field) bool { return field.Type.ID() == arrow.TIMESTAMP }) {
		return "", nil
	}
	if name := f.zone.String(); name != "Local" {
		return name, nil
	}
	// Of the machine's own zone Go knows no name.
	link, err := os.Readlink("/etc/localtime")
	if _, name, ok := strings.Cut(link, "zoneinfo/"); err == nil && ok {
		return name, nil
	}
	if _, offset := time.Unix(0, 0).In(f.zone).Zone(); offset == 0 {
		return "UTC", nil
	}
	return "", errors.New("files: columns of folders are times, and this machine's time zone has no name: set TZ, such as TZ=Europe/Berlin")
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
