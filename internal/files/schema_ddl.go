package files

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
)

// ddlNames are the words of ParseSchema for types that text formats guess.
var ddlNames = map[arrow.Type]string{
	arrow.BOOL: "boolean", arrow.INT8: "tinyint", arrow.INT16: "smallint", arrow.INT32: "int", arrow.INT64: "bigint",
	arrow.FLOAT32: "float", arrow.FLOAT64: "double", arrow.STRING: "string", arrow.BINARY: "binary", arrow.DATE32: "date",
}

// ddlType is a type in the words of ParseSchema, where it has some.
func ddlType(t arrow.DataType) string {
	if name, ok := ddlNames[t.ID()]; ok {
		return name
	}
	if list, ok := t.(*arrow.ListType); ok {
		return "array<" + ddlType(list.Elem()) + ">"
	}
	return t.String()
}

var bareName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// ddlColumn declares a column.
func ddlColumn(name, t string) string {
	if !bareName.MatchString(name) {
		name = "`" + strings.ReplaceAll(name, "`", "``") + "`"
	}
	return name + " " + t
}

// guessWrong is the error of a value that is not what the first rows of its
// column are, with the declaration under which it can be read.
func guessWrong(err error, f arrow.Field, text []byte) error {
	wider := "string"
	if _, e := strconv.ParseFloat(strings.TrimSpace(string(text)), 64); e == nil && arrow.IsInteger(f.Type.ID()) {
		wider = "double"
	}
	return fmt.Errorf("%w, which the sampled rows of the column are: declare the column (tfos convert --schema '%s')", err, ddlColumn(f.Name, wider))
}
