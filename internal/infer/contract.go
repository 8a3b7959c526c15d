package infer

import (
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/files"
	"tfos/internal/model"
)

// Contract is how rows that Spark brings go through the model, in terms of
// Spark: which columns its tasks send, and which come back after the kept ones.
type Contract struct {
	Inputs  []string      `json:"inputs"`
	Outputs []SparkColumn `json:"outputs"`
	// Batch is how many rows the model takes at a time, and a task sends so many or
	// whole multiples; 0: any number.
	Batch int64  `json:"batch,omitempty"`
	Table string `json:"table"` // for people: model.Table
}

// SparkColumn is a column with its type as in the JSON of Spark's schemas.
type SparkColumn struct {
	Name string `json:"name"`
	Type any    `json:"type"`
}

// Contract holds a table's columns against the model. What does not fit is a
// *model.MismatchError and comes with the table; so does a *model.ModelError
// where Spark cannot know an output's type.
func (c *Computation) Contract(schema *arrow.Schema) (Contract, error) {
	signature, err := c.chooseSignature()
	if err != nil {
		return Contract{}, err
	}
	answer := Contract{Inputs: []string{}, Table: model.Table(model.Contract(signature, schema, c.Mapping()))}
	bind, err := model.Check(signature, schema, c.Mapping())
	if err != nil {
		return answer, err
	}
	answer.Batch = bind.Batch
	for _, in := range bind.Inputs {
		answer.Inputs = append(answer.Inputs, in.Column)
	}
	for _, out := range bind.Outputs {
		if out.ColumnType == nil {
			return answer, c.unrankedProblem(out.Alias)
		}
		answer.Outputs = append(answer.Outputs, SparkColumn{out.Column, sparkType(out.ColumnType)})
	}
	if c.OnBadRow == Quarantine {
		return answer, quarantinable(schema, bind)
	}
	return answer, nil
}

// quarantinable says why kept columns cannot be in a quarantine file; nil: they can.
func quarantinable(schema *arrow.Schema, bind *model.Binding) error {
	var problems []string
	for _, name := range bind.Keep {
		field := schema.Field(schema.FieldIndices(name)[0])
		w, err := files.NewWriter(files.Parquet, io.Discard, arrow.NewSchema([]arrow.Field{field}, nil), files.WriteOptions{})
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			problems = append(problems, fmt.Sprintf("keep: column %s cannot be in a quarantine file: %v: cast it, or use on_bad_row: skip", name, err))
		}
	}
	if len(problems) > 0 {
		return &model.MismatchError{Signature: bind.Signature, Problems: problems}
	}
	return nil
}

// Typed looks whether Spark can know the outputs' types before the model has
// run: a *model.ModelError where it cannot, or the model has no such outputs.
func (c *Computation) Typed() error {
	signature, err := c.chooseSignature()
	if err != nil {
		return err
	}
	for _, out := range signature.Outputs {
		_, chosen := c.OutputMapping[out.Alias]
		if (chosen || len(c.OutputMapping) == 0) && out.UnknownRank {
			return c.unrankedProblem(out.Alias)
		}
	}
	return nil
}

func (c *Computation) unrankedProblem(alias string) error {
	return &model.ModelError{Path: c.Path(), Problem: fmt.Sprintf("the rank of output %s is not known before the model has run, but Spark must know its column's type", alias),
		Remedy: "export the signature with the output's shape (tf.ensure_shape), leave the output out by output_mapping, or have executors read files: read_by: executor"}
}

// sparkNames are the types that Spark has; unsigned ones go into the next
// larger, as Spark reads them from parquet.
var sparkNames = map[arrow.Type]string{
	arrow.FLOAT32: "float", arrow.FLOAT64: "double", arrow.BOOL: "boolean", arrow.STRING: "string", arrow.BINARY: "binary",
	arrow.INT8: "byte", arrow.INT16: "short", arrow.INT32: "integer", arrow.INT64: "long",
	arrow.UINT8: "short", arrow.UINT16: "integer", arrow.UINT32: "long", arrow.UINT64: "decimal(20,0)",
}

// sparkType is a column's type in the JSON of Spark's schemas.
func sparkType(t arrow.DataType) any {
	list, ok := t.(arrow.ListLikeType)
	if !ok {
		return sparkNames[t.ID()]
	}
	return map[string]any{"type": "array", "elementType": sparkType(list.Elem()), "containsNull": true}
}
