package model

import (
	"fmt"
	"maps"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
)

// allowNarrowing says how a user allows narrowing.
func (m Mapping) allowNarrowing() string {
	if m.Training {
		return "allow_narrowing: true"
	}
	return "allow_narrowing: true (tfos infer --allow-narrowing)"
}

// mapInputs finds a column for each input, in this order:
//  1. the column that the mapping names;
//  2. the column of the same name;
//  3. if one input is left, and one column that is neither used nor kept, that
//     column.
//
// Inputs that are scalars or have a default do not count as left. The result maps
// alias to column, for inputs that have one. Each input without a column or a default
// is among the problems.
func mapInputs(sig *Signature, schema *arrow.Schema, mapping map[string]string, keep []string) (map[string]string, []string) {
	columns := map[string]string{}
	var problems []string
	for _, column := range slices.Sorted(maps.Keys(mapping)) {
		alias := mapping[column]
		switch other, taken := columns[alias]; {
		case !hasAlias(sig.Inputs, alias):
			problems = append(problems, fmt.Sprintf("input_mapping: %s: %s is not an input of the signature (inputs there: %s)",
				column, alias, aliases(sig.Inputs)))
		case taken:
			problems = append(problems, fmt.Sprintf("input_mapping: columns %s and %s both feed %s", other, column, alias))
		default:
			columns[alias] = column
		}
	}
	shareColumns(sig, columns)
	for _, in := range sig.Inputs {
		if _, ok := columns[in.Alias]; !ok && schema.HasField(in.Alias) {
			columns[in.Alias] = in.Alias
		}
	}
	shareColumns(sig, columns)
	var left []string
	for _, in := range withoutColumn(sig, columns) {
		switch {
		case in.Default:
		case in.scalar():
			problems = append(problems, fmt.Sprintf("input %s: %s", in.Alias, in.unfed()))
		default:
			left = append(left, in.Alias)
		}
	}
	free := freeColumns(schema, columns, keep)
	if len(left) == 1 && len(free) == 1 {
		columns[left[0]] = free[0]
		shareColumns(sig, columns)
		return columns, problems
	}
	for _, alias := range left {
		problems = append(problems, fmt.Sprintf("input %s: no column feeds it (columns there: %s): name one in input_mapping",
			alias, columnNames(schema)))
	}
	return columns, problems
}

// shareColumns gives an input without a column the column of another alias of the
// same tensor.
func shareColumns(sig *Signature, columns map[string]string) {
	byTensor := map[string]string{}
	for _, in := range sig.Inputs {
		if column, ok := columns[in.Alias]; ok && in.Name != "" {
			byTensor[in.Name] = column
		}
	}
	for _, in := range sig.Inputs {
		if column, ok := byTensor[in.Name]; ok && columns[in.Alias] == "" {
			columns[in.Alias] = column
		}
	}
}

// withoutColumn returns the inputs that no column feeds, one for each tensor.
func withoutColumn(sig *Signature, columns map[string]string) []Tensor {
	var left []Tensor
	seen := map[string]bool{}
	for _, in := range sig.Inputs {
		if _, ok := columns[in.Alias]; ok || seen[in.Name] {
			continue
		}
		seen[in.Name] = in.Name != ""
		left = append(left, in)
	}
	return left
}

func hasAlias(tensors []Tensor, alias string) bool {
	return slices.ContainsFunc(tensors, func(t Tensor) bool { return t.Alias == alias })
}

// freeColumns returns the columns that feed nothing and are not kept.
func freeColumns(schema *arrow.Schema, used map[string]string, keep []string) []string {
	var free []string
	for _, f := range schema.Fields() {
		if !slices.Contains(keep, f.Name) && !slices.Contains(slices.Collect(maps.Values(used)), f.Name) {
			free = append(free, f.Name)
		}
	}
	return free
}

func columnNames(schema *arrow.Schema) string {
	names := make([]string, len(schema.Fields()))
	for i, f := range schema.Fields() {
		names[i] = f.Name
	}
	return list(names)
}

// mapOutputs returns the outputs to compute and their columns: those that the mapping
// names. Without a mapping it returns every output, with its alias as the column.
func mapOutputs(sig *Signature, mapping map[string]string) ([]Output, []string) {
	var problems []string
	for _, alias := range slices.Sorted(maps.Keys(mapping)) {
		if !hasAlias(sig.Outputs, alias) {
			problems = append(problems, fmt.Sprintf("output_mapping: %s is not an output of the signature (outputs there: %s)",
				alias, aliases(sig.Outputs)))
		}
	}
	var outputs []Output
	for _, t := range sig.Outputs {
		column, chosen := mapping[t.Alias]
		if len(mapping) == 0 {
			column, chosen = t.Alias, true
		}
		if chosen {
			outputs = append(outputs, Output{Tensor: t, Column: column})
		}
	}
	return outputs, problems
}
