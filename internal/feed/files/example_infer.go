package files

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
)

// exampleFeatures are the features that sampled records have, by name.
type exampleFeatures map[string]*exampleFeature

type exampleFeature struct {
	kind   kind
	list   bool // some record has not exactly one value
	binary bool // some value is not UTF-8
}

// add notes one record's features, of those that are not declared.
func (e exampleFeatures) add(record []byte, declared *arrow.Schema) error {
	return eachFeature(record, func(name, feature []byte) error {
		k, list, err := featureList(feature)
		if err != nil {
			return fmt.Errorf("feature %q: %w", name, err)
		}
		if !utf8.Valid(name) {
			return fmt.Errorf("feature %q: its name is not UTF-8", name)
		}
		known := e[string(name)]
		if known == nil {
			known = &exampleFeature{}
			e[string(name)] = known
		}
		if k == 0 || declared != nil && declared.HasField(string(name)) {
			return nil
		}
		if err := known.add(k, list); err != nil {
			return fmt.Errorf("feature %q: %w", name, err)
		}
		return nil
	})
}

func (f *exampleFeature) add(k kind, list []byte) error {
	if f.kind != 0 && f.kind != k {
		return fmt.Errorf("a %s here, a %s in a record before; declare the column in the schema", k, f.kind)
	}
	f.kind = k
	var n int
	var err error
	switch k {
	case floatKind:
		n, err = walkFloats(list, func([]byte) error { return nil })
	case int64Kind:
		n, err = walkInts(list, func(int64) error { return nil })
	case bytesKind:
		n, err = walkBytes(list, func(v []byte) error {
			f.binary = f.binary || !utf8.Valid(v)
			return nil
		})
	}
	f.list = f.list || n != 1
	return err
}

func (f *exampleFeature) dataType() arrow.DataType {
	var t arrow.DataType
	switch {
	case f.kind == floatKind:
		t = arrow.PrimitiveTypes.Float32
	case f.kind == int64Kind:
		t = arrow.PrimitiveTypes.Int64
	case f.binary:
		t = arrow.BinaryTypes.Binary
	default:
		t = arrow.BinaryTypes.String
	}
	if f.list {
		return arrow.ListOf(t)
	}
	return t
}

// fields are the features' columns sorted by name: a record's own order is
// that of a hash map. Declared columns are taken as declared, those that no
// sampled record has too, at the end. A feature that was always empty is no
// column.
func (e exampleFeatures) fields(declared *arrow.Schema) []arrow.Field {
	names := make([]string, 0, len(e))
	for name := range e {
		names = append(names, name)
	}
	slices.Sort(names)
	var seen []arrow.Field
	for _, name := range names {
		f := e[name]
		if f.kind != 0 {
			seen = append(seen, arrow.Field{Name: name, Type: f.dataType(), Nullable: true})
		} else if declared != nil && declared.HasField(name) {
			seen = append(seen, arrow.Field{Name: name})
		}
	}
	return declare(seen, declared)
}
