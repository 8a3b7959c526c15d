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
	_ "time/tzdata" // executors may lack a time zone database

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"
)

// Recipe is what another process needs to read the splits of a data set exactly
// as this process would. That process neither lists files nor infers the
// schema.
type Recipe struct {
	Format  Format            `json:"format"`
	Schema  []byte            `json:"schema"`  // schema of the rows: an encapsulated Arrow message
	Sampled []string          `json:"sampled"` // all columns of the files, selected or not
	Options map[string]string `json:"options"`
	BadRows bool              `json:"bad_rows,omitempty"` // ReadOptions.BadRows
	// Folders are the partition columns in folder names, outermost first. Zone
	// is the time zone of their timestamps.
	Folders []string `json:"folders,omitempty"`
	Zone    string   `json:"zone,omitempty"`
}

// streamEnd is the length of an Arrow stream's end marker, in bytes.
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
	zone, err := d.folders.zoneName()
	if err != nil {
		return Recipe{}, err
	}
	return Recipe{
		Format: d.format, Schema: message.Bytes()[:message.Len()-streamEnd],
		Sampled: slices.Sorted(maps.Keys(d.O.Sampled)), Options: d.O.Options, BadRows: d.O.BadRows,
		Folders: d.folders.names(), Zone: zone,
	}, nil
}

// Dataset returns a data set that can Read splits but knows no files. It takes
// BatchRows, BatchBytes and Memory from o, and all other options from the
// recipe.
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
	o.Others = recognizer{}
	o.Sampled = make(map[string]bool, len(r.Sampled))
	for _, name := range r.Sampled {
		o.Sampled[name] = true
	}
	d := &Dataset{format: r.Format, codec: c, schema: schema, O: o}
	d.folders, err = r.folderColumns(schema)
	return d, err
}

// folderColumns returns the partition columns. A column that is not in schema
// has no type.
func (r Recipe) folderColumns(schema *arrow.Schema) (f folders, err error) {
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

// zoneName returns the name of the time zone, or "" if no column is a
// timestamp.
func (f folders) zoneName() (string, error) {
	if !slices.ContainsFunc(f.fields, func(field arrow.Field) bool { return field.Type.ID() == arrow.TIMESTAMP }) {
		return "", nil
	}
	if name := f.zone.String(); name != "Local" {
		return name, nil
	}
	// Go has no name for the machine's local zone.
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
