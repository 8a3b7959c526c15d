package tfrecord

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/files/rowformat"
)

// exampleFeatures are the features of sampled records, by name.
type exampleFeatures map[string]*exampleFeature

// exampleFeature counts, by part and kind, the lists that sampled records have
// under one name. The column's type comes from the most frequent part and kind.
type exampleFeature [listsPart + 1][int64Kind + 1]exampleList

// exampleList counts one kind of list.
type exampleList struct {
	records int
	list    bool // some record does not have exactly one value
	binary  bool // some value is not UTF-8
}

// sampledFeature is a feature of one record.
type sampledFeature struct {
	name string
	part part
	kind kind
	exampleList
}

// addRecord counts the features of one record. After an error it has counted
// none of them. Declared features get no kind. mixed allows records to differ
// in a feature's kind and part.
func (e exampleFeatures) addRecord(record []byte, declared *arrow.Schema, mixed bool) error {
	var all []sampledFeature
	err := eachFeature(record, func(p part, name, value []byte) error {
		if !utf8.Valid(name) {
			return fmt.Errorf("feature %q: its name is not UTF-8", name)
		}
		s := sampledFeature{name: string(name), part: p}
		inspect := inspectFeature
		if p == listsPart {
			inspect = inspectSteps
		}
		var err error
		if s.kind, s.exampleList, err = inspect(value); err != nil {
			return fmt.Errorf("feature %q: %w", name, err)
		}
		if declared != nil && declared.HasField(s.name) {
			s.kind = 0
		}
		if !mixed {
			err = e[s.name].checkKind(s)
		}
		all = append(all, s)
		return err
	})
	if err != nil {
		return err
	}
	for _, s := range all {
		if e[s.name] == nil {
			e[s.name] = &exampleFeature{}
		}
		if s.kind != 0 {
			f := &e[s.name][s.part][s.kind]
			f.records, f.list, f.binary = f.records+1, f.list || s.list, f.binary || s.binary
		}
	}
	return nil
}

// checkKind returns an error if a feature's part or kind differs from previous
// records. f may be nil.
func (f *exampleFeature) checkKind(s sampledFeature) error {
	p, k := f.kind()
	switch {
	case s.kind == 0 || k == 0:
		return nil
	case p != s.part:
		return fmt.Errorf("feature %q: in the %s here, in the %s of a record before; declare the column in the schema", s.name, s.part, p)
	case k != s.kind:
		return fmt.Errorf("feature %q: a %s here, a %s in a record before; declare the column in the schema", s.name, s.kind, k)
	}
	return nil
}

// kind returns the most frequent part and kind. The kind is 0 if all features
// were empty.
func (f *exampleFeature) kind() (p part, most kind) {
	if f == nil {
		return 0, 0
	}
	for at := range f {
		for k := range f[at] {
			if f[at][k].records > f[p][most].records {
				p, most = part(at), kind(k)
			}
		}
	}
	return p, most
}

// inspectSteps reads the steps of one FeatureList.
func inspectSteps(list []byte) (k kind, f exampleList, err error) {
	_, err = eachStep(list, func(feature []byte) error {
		this, step, err := inspectFeature(feature)
		if err == nil && k != 0 && this != 0 && this != k {
			err = fmt.Errorf("steps of a %s and of a %s", k, this)
		}
		if this != 0 {
			k = this
		}
		f.binary = f.binary || step.binary
		return err
	})
	return k, f, err
}

// inspectFeature reads one Feature.
func inspectFeature(feature []byte) (k kind, f exampleList, err error) {
	k, list, err := featureList(feature)
	if err != nil {
		return k, f, err
	}
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
	return k, f, err
}

// dataType returns the column's type. Feature lists are lists of lists, as in
// spark-tfrecord, even if each step has one value. So the type says which
// columns are written back as feature lists.
func (f *exampleFeature) dataType() arrow.DataType {
	var t arrow.DataType
	p, k := f.kind()
	seen := f[p][k]
	switch {
	case k == floatKind:
		t = arrow.PrimitiveTypes.Float32
	case k == int64Kind:
		t = arrow.PrimitiveTypes.Int64
	case seen.binary:
		t = arrow.BinaryTypes.Binary
	default:
		t = arrow.BinaryTypes.String
	}
	switch {
	case p == listsPart:
		return arrow.ListOf(arrow.ListOf(t))
	case seen.list:
		return arrow.ListOf(t)
	}
	return t
}

// fields returns the features' columns sorted by name, because a record's own
// order is that of a hash map. Declared columns are as declared. Declared
// columns that no sampled record has are last. A feature that was always empty
// is not a column.
func (e exampleFeatures) fields(declared *arrow.Schema) []arrow.Field {
	names := make([]string, 0, len(e))
	for name := range e {
		names = append(names, name)
	}
	slices.Sort(names)
	var seen []arrow.Field
	for _, name := range names {
		f := e[name]
		if _, k := f.kind(); k != 0 {
			seen = append(seen, arrow.Field{Name: name, Type: f.dataType(), Nullable: true})
		} else if declared != nil && declared.HasField(name) {
			seen = append(seen, arrow.Field{Name: name})
		}
	}
	return rowformat.ApplyDeclared(seen, declared)
}
