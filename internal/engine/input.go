package engine

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"tfos/internal/model"
)

// toTensor copies a column into a new tensor, which is the caller's.
func toTensor(column arrow.Array, in model.Input) (*tensor, error) {
	r, err := takeApart(column, in)
	if err != nil {
		return nil, err
	}
	shape, err := r.tensorShape(in)
	if err != nil {
		return nil, err
	}
	switch in.Type {
	case model.String:
		return r.stringTensor(shape, in)
	case model.Bool:
		return r.boolTensor(shape, in)
	}
	raw, err := r.numberBytes(in)
	if err != nil {
		return nil, err
	}
	t, err := newTensor(in.Type, shape)
	if err != nil {
		return nil, inputError(in, err)
	}
	copy(t.bytes(), raw)
	return t, nil
}

func inputError(in model.Input, err error) error {
	return fmt.Errorf("engine: input %s: %w", in.Alias, err)
}

// boolTensor turns a bitmap into TensorFlow's one byte a value.
func (r *rows) boolTensor(shape []int64, in model.Input) (*tensor, error) {
	t, err := newTensor(in.Type, shape)
	if err != nil {
		return nil, inputError(in, err)
	}
	values, raw := r.values.(*array.Boolean), t.bytes()
	for i := range raw {
		raw[i] = 0
		if values.Value(r.start + i) {
			raw[i] = 1
		}
	}
	return t, nil
}
