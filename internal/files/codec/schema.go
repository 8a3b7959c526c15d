package codec

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/apache/arrow/go/v15/arrow"
)

// SelectColumns returns the schema of these columns, in this order. No columns
// means all.
func SelectColumns(all *arrow.Schema, columns []string) (*arrow.Schema, error) {
	if len(columns) == 0 {
		for _, f := range all.Fields() {
			columns = append(columns, f.Name)
		}
	}
	fields := make([]arrow.Field, len(columns))
	for i, name := range columns {
		at, err := FindColumn(all, name)
		switch {
		case err != nil:
			return nil, err
		case slices.Contains(columns[:i], name):
			return nil, fmt.Errorf("column %q is asked for twice", name)
		}
		fields[i] = all.Field(at)
	}
	return arrow.NewSchema(fields, nil), nil
}

// FindColumn returns the index of the only column of this name.
func FindColumn(all *arrow.Schema, name string) (int, error) {
	found := all.FieldIndices(name)
	switch len(found) {
	case 0:
		return 0, fmt.Errorf("no column %q; there are %s", name, ColumnNames(all))
	case 1:
		return found[0], nil
	}
	return 0, fmt.Errorf("%d columns are named %q", len(found), name)
}

// quoteName returns a column's name for messages. A name with unusual
// characters is quoted.
func quoteName(name string) string {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool {
		return r != '_' && r != '.' && r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		return strconv.Quote(name)
	}
	return name
}

// ColumnNames lists column names for messages: at most 20.
func ColumnNames(s *arrow.Schema) string {
	const most = 20
	var list []string
	for _, f := range s.Fields() {
		list = append(list, quoteName(f.Name))
	}
	if len(list) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
	}
	return strings.Join(list, ", ")
}

// ApplyDeclared replaces fields of the files with the fields of o.Schema of the
// same name. A declared column that the files lack is an error with the file's
// name.
func ApplyDeclared(file string, found *arrow.Schema, o ReadOptions) (*arrow.Schema, error) {
	if o.Schema == nil {
		return found, nil
	}
	fields := slices.Clone(found.Fields())
	for _, want := range o.Schema.Fields() {
		i := slices.IndexFunc(fields, func(f arrow.Field) bool { return f.Name == want.Name })
		if i < 0 {
			return nil, &Error{Path: file, Offset: -1, Row: -1, Err: fmt.Errorf("no column %q, which the schema declares; there are %s", want.Name, ColumnNames(found))}
		}
		fields[i] = want
	}
	return arrow.NewSchema(fields, nil), nil
}

// NoOptions returns an error for any option. It is for formats without options.
func NoOptions(format Format, options map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(options)) {
		return fmt.Errorf("files: %s: unknown option %q", format, name)
	}
	return nil
}
