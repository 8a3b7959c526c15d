package model

import (
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
)

// Check binds the columns of a schema to the tensors of a signature. The signature is
// the result of MetaGraph.Choose for the same mapping. Pairs that the mapping does
// not name are inferred: see mapInputs and mapOutputs. If anything does not fit, the
// error is a *MismatchError with every problem.
func Check(sig *Signature, schema *arrow.Schema, m Mapping) (*Binding, error) {
	keep := m.Keep
	b := &Binding{Signature: sig.Name, Constants: sig.Constants, Keep: keep}
	columns, problems := mapInputs(sig, schema, m.Inputs, keep)
	for _, t := range sig.Inputs {
		column, ok := columns[t.Alias]
		if !ok || isBound(b.Inputs, t, column) {
			continue
		}
		b.Inputs = append(b.Inputs, Input{Tensor: t, Column: column})
		if p := checkInput(t, column, schema, m); p != "" {
			problems = append(problems, p)
		}
	}
	if len(b.Inputs) == 0 && len(problems) == 0 && len(sig.Inputs)+len(sig.Constants) > 0 {
		problems = append(problems, "no column feeds the model, so that all rows are alike: name one in input_mapping, or leave a constant out")
	}
	problems = append(problems, checkKeep(schema, keep)...)
	problems = append(problems, checkFed(b.Inputs)...)

	outputs, p := mapOutputs(sig, m.Outputs)
	problems = append(problems, p...)
	for i := range outputs {
		if p := checkOutput(&outputs[i]); p != "" {
			problems = append(problems, p)
		}
	}
	b.Outputs = outputs
	problems = append(problems, checkNames(b)...)
	problems = append(problems, b.settleBatch(m)...)
	if len(problems) > 0 {
		return nil, &MismatchError{Signature: sig.Name, Problems: problems}
	}
	return b, nil
}

// isBound reports whether the column already feeds the tensor under another alias.
func isBound(inputs []Input, t Tensor, column string) bool {
	return slices.ContainsFunc(inputs, func(in Input) bool { return in.Name == t.Name && t.Name != "" && in.Column == column })
}

func checkInput(t Tensor, column string, schema *arrow.Schema, m Mapping) string {
	reason := misfit(t, column, schema, m)
	fields, _ := schema.FieldsByName(column)
	switch {
	case reason == "":
		return ""
	case len(fields) != 1:
		return fmt.Sprintf("input %s: %s (columns there: %s)", t.Alias, reason, columnNames(schema))
	}
	return fmt.Sprintf("input %s: column %s is %s, the tensor is %s: %s", t.Alias, column, typeName(fields[0].Type), t, reason)
}

// misfit returns the reason why a column cannot feed a tensor, or "".
func misfit(t Tensor, column string, schema *arrow.Schema, m Mapping) string {
	fields, ok := schema.FieldsByName(column)
	switch {
	case !ok:
		return "there is no column " + column
	case len(fields) > 1:
		return fmt.Sprintf("there are %d columns %s", len(fields), column)
	case t.unfeedable() != "":
		return t.unfeedable()
	}
	c := columnShapeOf(fields[0].Type)
	if ok, remedy := Fits(c.element, t.Type, m); !ok {
		return remedy
	}
	return c.fitShape(t)
}

// checkFed finds tensors that two columns feed under different names.
func checkFed(inputs []Input) []string {
	var problems []string
	owner := map[string]Input{}
	for _, in := range inputs {
		if other, taken := owner[in.Name]; taken && in.Name != "" {
			problems = append(problems, fmt.Sprintf("input %s: columns %s and %s both feed %s", in.Alias, other.Column, in.Column, in.Name))
		}
		owner[in.Name] = in
	}
	return problems
}

func checkKeep(schema *arrow.Schema, keep []string) []string {
	var problems []string
	seen := map[string]bool{}
	for _, name := range keep {
		if seen[name] {
			problems = append(problems, fmt.Sprintf("keep: %s is named twice", name))
		}
		seen[name] = true
		switch n := len(schema.FieldIndices(name)); {
		case n == 0:
			problems = append(problems, fmt.Sprintf("keep: there is no column %s (columns there: %s)", name, columnNames(schema)))
		case n > 1:
			problems = append(problems, fmt.Sprintf("keep: there are %d columns %s", n, name))
		}
	}
	return problems
}

// checkNames finds output columns that have the same name.
func checkNames(b *Binding) []string {
	var problems []string
	owner := map[string]string{}
	for _, k := range b.Keep {
		owner[k] = "kept column " + k
	}
	for _, o := range b.Outputs {
		if other, taken := owner[o.Column]; taken {
			problems = append(problems, fmt.Sprintf("output %s: its column %s is also that of %s: rename it with output_mapping",
				o.Alias, o.Column, other))
		}
		owner[o.Column] = "output " + o.Alias
	}
	return problems
}

func checkOutput(o *Output) string {
	if reason := o.unfit(); reason != "" {
		return fmt.Sprintf("output %s: %s: choose other outputs with output_mapping", o.Alias, reason)
	}
	o.ColumnType = o.columnType()
	return ""
}

// unfit returns the reason why a tensor cannot become a column, or "".
func (t Tensor) unfit() string {
	switch {
	case t.Name == "" || t.Parts != nil:
		return "it is a sparse or composite tensor"
	case t.Type.ElementType() == nil:
		return fmt.Sprintf("a tensor of type %s cannot become a column", t.Type)
	case !t.UnknownRank && len(t.Shape) == 0:
		return "the tensor is one scalar for the whole batch, not one value a row"
	}
	return ""
}

// columnType returns the type of the column that the tensor becomes. It returns nil
// if the rank is unknown.
func (t Tensor) columnType() arrow.DataType {
	if t.UnknownRank {
		return nil
	}
	return ColumnType(t.Type, t.Binary, len(t.Shape))
}
