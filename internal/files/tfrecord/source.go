package tfrecord

import (
	"fmt"
	"io"

	"tfos/internal/files/rowformat"
)

// exampleSource appends a split's Examples to columns.
type exampleSource struct {
	frames
	columns    []exampleColumn
	index      map[string]int // of columns, by name
	sampled    map[string]bool
	recordType recordType
	found      []foundFeature // scratch: per column, what the record has
	row        int64
}

// foundFeature is a record's feature for a column, by part; nil: none.
type foundFeature [listsPart + 1][]byte

func (s *exampleSource) indexColumns() {
	s.found = make([]foundFeature, len(s.columns))
	s.index = make(map[string]int, len(s.columns))
	for i, c := range s.columns {
		s.index[c.field.Name] = i
	}
}

func (s *exampleSource) AppendRow() (int, error) {
	data, err := s.next()
	if err == io.EOF {
		return 0, err
	}
	if err != nil {
		return 0, s.Fail(s.at, s.row, err)
	}
	fault := s.appendExample(data)
	s.row++
	if fault != nil {
		return len(data), s.Fail(s.at, s.row-1, fault)
	}
	return len(data), nil
}

// appendExample first finds the wanted features, because the last one of a name
// counts. Then it reads each list once.
func (s *exampleSource) appendExample(data []byte) (fault *rowformat.Fault) {
	clear(s.found)
	var unknown error
	err := eachFeature(data, func(p part, name, value []byte) error {
		i, wanted := s.index[string(name)]
		switch {
		case p == listsPart && s.recordType == recordExample:
			return fmt.Errorf("feature_lists, which a tf.Example has not: set the option recordType: %s", recordSequence)
		case wanted:
			s.found[i][p] = value
		case s.sampled != nil && !s.sampled[string(name)]:
			empty, err := isEmpty(p, value)
			if err == nil && !empty {
				unknown = rowformat.UnsampledError("feature", name)
			}
			return err
		}
		return nil
	})
	if err != nil {
		return rowformat.WholeRow(err)
	}
	if unknown != nil {
		return rowformat.WholeRow(unknown)
	}
	for i := range s.columns {
		if err := s.appendFeature(i); err != nil {
			f := &rowformat.Fault{Column: s.columns[i].field.Name, Reason: err, Err: err}
			if u, ok := err.(declarableError); ok {
				f.Reason = u.error
			}
			fault = fault.AddColumn(i, f)
		}
	}
	return fault
}

// appendFeature appends the record's feature for a column.
func (s *exampleSource) appendFeature(i int) error {
	c, found := &s.columns[i], s.found[i]
	if found[listsPart] != nil {
		if found[contextPart] != nil {
			return fmt.Errorf("feature %q is in the context and in feature_lists", c.field.Name)
		}
		return c.appendSteps(found[listsPart])
	}
	k, list, err := featureList(found[contextPart])
	if err != nil {
		return fmt.Errorf("feature %q: %w", c.field.Name, err)
	}
	return c.appendFeature(k, list)
}

// isEmpty reports whether a feature has no kind.
func isEmpty(p part, value []byte) (bool, error) {
	if p == contextPart {
		k, _, err := featureList(value)
		return k == 0, err
	}
	empty := true
	_, err := eachStep(value, func(feature []byte) error {
		k, _, err := featureList(feature)
		empty = empty && k == 0
		return err
	})
	return empty, err
}
