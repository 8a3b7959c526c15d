package model

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/apache/arrow/go/v15/arrow"
)

// Line is one line of a contract between a table and a model. It shows a column
// beside the tensor that the column feeds, or that becomes the column.
type Line struct {
	Role       string // input, constant, keep or output
	Column     string // "" when there is none. For a constant: its value
	ColumnType string
	Tensor     string // alias
	TensorType string
	Verdict    string
}

// Verdicts of columns and tensors that fit. Inferred: no mapping names the pair.
const (
	fits     = "fits"
	inferred = "fits, inferred"
)

// Contract returns a line for each input, constant, kept column and output, paired
// as Check pairs them. Pairs that do not fit have the reason as their verdict.
func Contract(sig *Signature, schema *arrow.Schema, m Mapping) []Line {
	var lines []Line
	keep := m.Keep
	columns, _ := mapInputs(sig, schema, m.Inputs, keep)
	for _, t := range sig.Inputs {
		column, found := columns[t.Alias]
		l := Line{Role: "input", Column: column, ColumnType: typeOf(schema, column), Tensor: t.Alias, TensorType: t.String()}
		switch reason := misfit(t, column, schema, m); {
		case !found && t.Default:
			l.Verdict = "the graph's own value"
		case !found:
			l.Verdict = t.unfed()
		case reason != "":
			l.Verdict = reason
		case m.Inputs[column] != t.Alias && column != t.Alias:
			l.Verdict = inferred
		default:
			l.Verdict = fits
		}
		lines = append(lines, l)
	}
	for _, c := range sig.Constants {
		lines = append(lines, Line{Role: "constant", Column: shorten(c.Text), Tensor: c.Alias, TensorType: c.Tensor.String(), Verdict: fits})
	}
	for _, k := range keep {
		l := Line{Role: "keep", Column: k, ColumnType: typeOf(schema, k), Verdict: fits}
		if n := len(schema.FieldIndices(k)); n != 1 {
			l.Verdict = fmt.Sprintf("there are %d columns of that name", n)
		}
		lines = append(lines, l)
	}
	outputs, _ := mapOutputs(sig, m.Outputs)
	for _, o := range outputs {
		l := Line{Role: "output", Column: o.Column, ColumnType: "known when it has run", Tensor: o.Alias, TensorType: o.Tensor.String(), Verdict: fits}
		if t := o.columnType(); t != nil {
			l.ColumnType = typeName(t)
		}
		if reason := o.unfit(); reason != "" {
			l.ColumnType, l.Verdict = "", reason
		}
		lines = append(lines, l)
	}
	return lines
}

// shorten cuts a value to the 40 characters that a table shows.
func shorten(text string) string {
	const most = 40
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}

func typeOf(schema *arrow.Schema, column string) string {
	if fields, ok := schema.FieldsByName(column); ok {
		return typeName(fields[0].Type)
	}
	return ""
}

// ColumnTypes returns the types, by column name, that a text format's columns must have
// to feed the tensors. A text format's own types are guesses. Kept columns, and
// columns of tensors that text cannot hold, are not in the result.
func ColumnTypes(sig *Signature, schema *arrow.Schema, inputMapping map[string]string, keep []string) map[string]arrow.DataType {
	types := map[string]arrow.DataType{}
	columns, _ := mapInputs(sig, schema, inputMapping, keep)
	for _, t := range sig.Inputs {
		fields, ok := schema.FieldsByName(columns[t.Alias])
		if !ok || slices.Contains(keep, columns[t.Alias]) || !t.Type.readable() {
			continue
		}
		wanted := t.Type.ElementType()
		for range max(len(columnShapeOf(fields[0].Type).lengths), t.listDepth()) {
			wanted = arrow.ListOf(wanted)
		}
		types[fields[0].Name] = wanted
	}
	return types
}

// listDepth returns how many levels of lists a row of the tensor needs: 0 for one
// value or an unknown rank, 1 for a known number of values, else one a dimension
// of the row shape.
func (t Tensor) listDepth() int {
	size, known := t.RowSize()
	switch {
	case t.UnknownRank || known && size == 1:
		return 0
	case known:
		return 1
	}
	return max(0, len(t.Shape)-1)
}

// typeName returns the name of a type for messages: "list<float32>[784]" for
// fixed-size lists, "list<float32>" for other lists.
func typeName(t arrow.DataType) string {
	if IsVector(t) {
		return "vector of doubles"
	}
	l, ok := t.(arrow.ListLikeType)
	if !ok || t.ID() == arrow.MAP {
		return t.String()
	}
	name := "list<" + typeName(l.Elem()) + ">"
	if f, ok := t.(*arrow.FixedSizeListType); ok {
		name += fmt.Sprintf("[%d]", f.Len())
	}
	return name
}

// Table returns a contract as text: a heading, then a line for each Line.
func Table(lines []Line) string {
	text := &strings.Builder{}
	t := tabwriter.NewWriter(text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\tcolumn\ttype\ttensor\ttype\t")
	for _, l := range lines {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", l.Role, dash(l.Column), dash(l.ColumnType), dash(l.Tensor), dash(l.TensorType), l.Verdict)
	}
	_ = t.Flush() // into memory
	rows := strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
	for i, row := range rows {
		rows[i] = strings.TrimRight(row, " ")
	}
	return strings.Join(rows, "\n")
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
