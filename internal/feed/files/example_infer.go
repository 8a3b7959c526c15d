package files

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
)

// exampleFeatures are the features that sampled records have, by name.
type exampleFeatures map[string]*exampleFeature

// exampleFeature is what sampled records have under one name, by kind: of
// several the one that most have is the column's.
type exampleFeature [int64Kind + 1]exampleList

// exampleList is one kind of list.
type exampleList struct {
	records int
	list    bool // some record has not exactly one value
	binary  bool // some value is not UTF-8
}

// add notes one record's features, of those that are not declared, or none of
// them: an error leaves e as it was. mixed: records may differ in a feature's
// kind.
func (e exampleFeatures) add(record []byte, declared *arrow.Schema, mixed bool) error {
	type seen struct {
		name string
		kind kind
		exampleList
	}
	var all []seen
	err := eachFeature(record, func(name, feature []byte) error {
		k, list, err := featureList(feature)
		if err != nil {
			return fmt.Errorf("feature %q: %w", name, err)
		}
		if !utf8.Valid(name) {
			return fmt.Errorf("feature %q: its name is not UTF-8", name)
		}
		s := seen{name: string(name), kind: k}
		if declared != nil && declared.HasField(s.name) {
			s.kind = 0
		}
		if before := e[s.name].kind(); !mixed && s.kind != 0 && before != 0 && before != s.kind {
			return fmt.Errorf("feature %q: a %s here, a %s in a record before; declare the column in the schema", name, s.kind, before)
		}
		if s.exampleList, err = look(s.kind, list); err != nil {
			return fmt.Errorf("feature %q: %w", name, err)
		}
		all = append(all, s)
		return nil
	})
	if err != nil {
		return err
	}
	for _, s := range all {
		if e[s.name] == nil {
			e[s.name] = &exampleFeature{}
		}
		if s.kind != 0 {
			f := &e[s.name][s.kind]
			f.records, f.list, f.binary = f.records+1, f.list || s.list, f.binary || s.binary
		}
	}
	return nil
}

// kind is that of most records; 0: all were empty.
func (f *exampleFeature) kind() (most kind) {
	if f == nil {
		return 0
	}
	for k := range f {
		if f[k].records > f[most].records {
			most = kind(k)
		}
	}
	return most
}

// look walks over one list.
func look(k kind, list []byte) (f exampleList, err error) {
	var n int
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
	f.list = n != 1
	return f, err
}

func (f *exampleFeature) dataType() arrow.DataType {
	var t arrow.DataType
	seen := f[f.kind()]
	switch k := f.kind(); {
	case k == floatKind:
		t = arrow.PrimitiveTypes.Float32
	case k == int64Kind:
		t = arrow.PrimitiveTypes.Int64
	case seen.binary:
		t = arrow.BinaryTypes.Binary
	default:
		t = arrow.BinaryTypes.String
	}
	if seen.list {
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
		if f.kind() != 0 {
			seen = append(seen, arrow.Field{Name: name, Type: f.dataType(), Nullable: true})
		} else if declared != nil && declared.HasField(name) {
			seen = append(seen, arrow.Field{Name: name})
		}
	}
	return declare(seen, declared)
}
