package engine

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"tfos/internal/model"
)

// toTensors makes tensors of a column: one, or the parts of a ragged tensor in
// their order. The caller frees them.
func toTensors(column arrow.Array, in model.Input) ([]*tensor, error) {
	if in.Ragged() {
		return raggedTensors(column, in)
	}
	t, err := toTensor(column, in)
	if err != nil {
		return nil, err
	}
	return []*tensor{t}, nil
}

// constantTensor makes a tensor of a constant. The caller frees it.
func constantTensor(c model.Constant) (*tensor, error) {
	if c.Type == model.String {
		t, err := newTexts(c.Dims)
		for i, text := range c.Texts {
			if err == nil {
				t.setText(i, text)
			}
		}
		return t, err
	}
	t, err := newTensor(c.Type, c.Dims)
	if err == nil {
		copy(t.bytes(), c.Numbers)
	}
	return t, err
}

// toTensor makes a tensor of a column. It borrows the column's memory where that is as a
// tensor's, else it copies. The caller frees it. Rows that do not fit
// are a *model.RowError for the first.
func toTensor(column arrow.Array, in model.Input) (*tensor, error) {
	r, err := unnest(column, in)
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
	raw, own, err := r.numberBytes(in)
	if err != nil {
		return nil, err
	}
	if own {
		if t := borrow(in.Type, shape, raw, r.values.Data()); t != nil {
			return t, nil
		}
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

// boolTensor copies a bitmap into a new tensor, which has one byte a value.
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
