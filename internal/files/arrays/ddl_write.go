package arrays

import (
	"regexp"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
)

// ddlNames are the names that ParseSchema reads, for the types that text
// formats guess.
var ddlNames = map[arrow.Type]string{
	arrow.BOOL: "boolean", arrow.INT8: "tinyint", arrow.INT16: "smallint", arrow.INT32: "int", arrow.INT64: "bigint",
	arrow.FLOAT32: "float", arrow.FLOAT64: "double", arrow.STRING: "string", arrow.BINARY: "binary", arrow.DATE32: "date",
}

// TypeDDL returns a type's name in DDL. For a type without one it returns
// Arrow's name.
func TypeDDL(t arrow.DataType) string {
	if name, ok := ddlNames[t.ID()]; ok {
		return name
	}
	if list, ok := t.(*arrow.ListType); ok {
		return "array<" + TypeDDL(list.Elem()) + ">"
	}
	return t.String()
}

var bareName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// ColumnDDL declares a column of type t in DDL.
func ColumnDDL(name, t string) string {
	if !bareName.MatchString(name) {
		name = "`" + strings.ReplaceAll(name, "`", "``") + "`"
	}
	return name + " " + t
}
