package engine

import (
	"bytes"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	tf "github.com/wamuir/graft/tensorflow"

	"tfos/internal/model"
)

// toTensor copies a column into a new tensor, and says how many bytes that
// holds.
func toTensor(column arrow.Array, in model.Input) (*tf.Tensor, int64, error) {
	r, err := takeApart(column, in)
	if err != nil {
		return nil, 0, err
	}
	shape, err := r.tensorShape(in)
	if err != nil {
		return nil, 0, err
	}
	switch in.Type {
	case model.String:
		return r.stringTensor(shape, in)
	case model.Bool:
		return readTensor(in, shape, r.boolBytes())
	}
	raw, err := r.numberBytes(in)
	if err != nil {
		return nil, 0, err
	}
	return readTensor(in, shape, raw)
}

// readTensor makes a tensor of raw elements in the machine's byte order.
func readTensor(in model.Input, shape []int64, raw []byte) (*tf.Tensor, int64, error) {
	t, err := newRawTensor(in.Type, shape, raw)
	if err != nil {
		return nil, 0, fmt.Errorf("engine: input %s: tensor of shape %v: %w", in.Alias, shape, err)
	}
	return t, int64(len(raw)), nil
}

func newRawTensor(d model.DType, shape []int64, raw []byte) (*tf.Tensor, error) {
	var flat *tf.Tensor
	var err error
	switch d {
	default:
		return tf.ReadTensor(tf.DataType(d), shape, bytes.NewReader(raw))
	case model.Uint32: // graft's ReadTensor has no uint32 and no uint64
		flat, err = tf.NewTensor(arrow.Uint32Traits.CastFromBytes(raw))
	case model.Uint64:
		flat, err = tf.NewTensor(arrow.Uint64Traits.CastFromBytes(raw))
	}
	if err != nil {
		return nil, err
	}
	return flat, flat.Reshape(shape)
}

// boolBytes turns a bitmap into TensorFlow's one byte a value.
func (r *rows) boolBytes() []byte {
	values := r.values.(*array.Boolean)
	raw := make([]byte, r.end-r.start)
	for i := range raw {
		if values.Value(r.start + i) {
			raw[i] = 1
		}
	}
	return raw
}
