package csv

import (
	"fmt"
	"io"

	"tfos/internal/files/rowformat"
)

// source appends a split's rows to columns.
type source struct {
	*cellReader
	columns []column
	place   []int // per column: its index in a row
}

// locate finds the wanted columns among the file's columns.
func (s *source) locate() error {
	if s.names == nil { // a file without a row
		return nil
	}
	at := make(map[string]int, len(s.names))
	for i, name := range s.names {
		at[name] = i
	}
	for _, c := range s.columns {
		i, ok := at[c.field.Name]
		if !ok {
			return fmt.Errorf("no column %q; there are %q", c.field.Name, s.names)
		}
		s.place = append(s.place, i)
	}
	return nil
}

func (s *source) AppendRow() (int, error) {
	cells, n, err := s.nextCells()
	if err == io.EOF {
		return 0, err
	}
	if err != nil {
		return n, s.Fail(err)
	}
	var fault *rowformat.Fault
	for i := range s.columns {
		if f := s.columns[i].append(cells[s.place[i]], s.dialect.nullText); f != nil {
			fault = fault.AddColumn(i, f)
		}
	}
	if fault != nil {
		return n, s.Fail(fault)
	}
	return n, nil
}
