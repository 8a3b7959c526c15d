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

// Chosen is the schema of these columns, in this order.
func Chosen(all *arrow.Schema, columns []string) (*arrow.Schema, error) {
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

// FindColumn is where the one column of this name is.
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

// shown is a column's name for a person: quoted where its end would not be seen.
func shown(name string) string {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool {
		return r != '_' && r != '.' && r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		return strconv.Quote(name)
	}
	return name
}

// ColumnNames lists columns for a person, not more than a line holds.
func ColumnNames(s *arrow.Schema) string {
	const most = 20
	var list []string
	for _, f := range s.Fields() {
		list = append(list, shown(f.Name))
	}
	if len(list) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
	}
	return strings.Join(list, ", ")
}

// Declared puts the fields of o.Schema in the place of the files' ones of the
// same name. What is declared and not in the files is an error here, with the
// file's name.
func Declared(file string, found *arrow.Schema, o ReadOptions) (*arrow.Schema, error) {
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

// NoOptions refuses settings that a format does not have.
func NoOptions(format Format, options map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(options)) {
		return fmt.Errorf("files: %s: unknown option %q", format, name)
	}
	return nil
}
