package model

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"tfos/internal/exit"
)

// Constant is an input that has one value for all batches, such as keep_prob.
type Constant struct {
	Tensor
	Text    string  // the value as JSON: the same text for the same value
	Dims    []int64 // shape of the value
	Numbers []byte  // elements as TensorFlow lays them out; nil for strings
	Texts   []string
}

// ConstantError says why a constant does not fit the model.
type ConstantError struct {
	Name   string // alias or tensor
	Value  string // as JSON
	Reason string
}

func (e *ConstantError) Error() string {
	return fmt.Sprintf("model: constants.%s: %s: %s", e.Name, e.Value, e.Reason)
}

// ExitCode is 2: the job file is wrong.
func (e *ConstantError) ExitCode() exit.Code { return exit.Usage }

// takeConstants moves the inputs that values names from the signature's Inputs to
// its Constants. Every name must be an alias of an input. The error is a
// *ConstantError.
func (s *Signature) takeConstants(values map[string]json.RawMessage) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		i := slices.IndexFunc(s.Inputs, func(t Tensor) bool { return t.Alias == name })
		if i < 0 {
			return &ConstantError{name, string(values[name]), fmt.Sprintf("the model has no input %s (inputs there: %s)", name, aliases(s.Inputs))}
		}
		constant, err := newConstant(s.Inputs[i], values[name])
		if err != nil {
			return err
		}
		s.Constants = append(s.Constants, constant)
		s.Inputs = slices.Delete(s.Inputs, i, i+1)
		if j := slices.IndexFunc(s.Inputs, func(t Tensor) bool { return t.Name == constant.Name }); j >= 0 {
			return &ConstantError{name, constant.Text, "it is the same tensor as " + s.Inputs[j].Alias + ", which a column feeds: name one of them"}
		}
	}
	return nil
}

// newConstant converts a JSON value, a scalar or nested lists, to elements of t. The
// error, a *ConstantError, says why the value does not fit.
func newConstant(t Tensor, value json.RawMessage) (Constant, error) {
	c := Constant{Tensor: t, Text: string(value)}
	refuse := func(reason string) (Constant, error) { return c, &ConstantError{t.Alias, c.Text, reason} }
	if t.Parts != nil || t.Name == "" {
		return refuse("a sparse or ragged tensor cannot be a constant")
	}
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.UseNumber() // float64 loses digits of an int64
	var v any
	if err := decoder.Decode(&v); err != nil || decoder.Decode(new(any)) != io.EOF {
		return refuse("must be a number, a text, true, false, or a list of them")
	}
	if text, err := json.Marshal(v); err == nil {
		c.Text = string(text)
	}
	c.Dims = dimsOf(v)
	if !t.acceptsShape(c.Dims) {
		return refuse(fmt.Sprintf("its shape is %s, the tensor is %s", ShapeString(c.Dims), t))
	}
	if err := c.appendNested(v, 0); err != nil {
		return refuse(err.Error())
	}
	return c, nil
}

// dimsOf returns the shape of nested lists. It looks only at the first element of
// each level.
func dimsOf(v any) []int64 {
	list, ok := v.([]any)
	if !ok {
		return nil
	}
	dims := []int64{int64(len(list))}
	if len(list) > 0 {
		dims = append(dims, dimsOf(list[0])...)
	}
	return dims
}

// acceptsShape reports whether a value of this shape may feed the tensor.
func (t Tensor) acceptsShape(dims []int64) bool {
	if t.UnknownRank {
		return true
	}
	return slices.EqualFunc(t.Shape, dims, func(want, have int64) bool { return want < 0 || want == have })
}

func (c *Constant) appendNested(v any, level int) error {
	list, ok := v.([]any)
	if ok != (level < len(c.Dims)) || ok && int64(len(list)) != c.Dims[level] {
		return errors.New("its lists have several lengths, and a tensor has one shape")
	}
	if !ok {
		return c.appendElement(v)
	}
	for _, item := range list {
		if err := c.appendNested(item, level+1); err != nil {
			return err
		}
	}
	return nil
}

// appendElement converts one JSON value and appends it.
func (c *Constant) appendElement(v any) error {
	number, isNumber := v.(json.Number)
	text, isText := v.(string)
	truth, isTruth := v.(bool)
	unfit := fmt.Errorf("the tensor is %s", c.Tensor)
	switch {
	case c.Type == String && isText:
		c.Texts = append(c.Texts, text)
		return nil
	case c.Type == Bool && isTruth:
		c.Numbers = append(c.Numbers, 0)
		if truth {
			c.Numbers[len(c.Numbers)-1] = 1
		}
		return nil
	case c.Type.integer() && isNumber:
		return c.appendInteger(string(number))
	case c.Type.floating() && (isNumber || isText && notFinite(text)): // JSON has no numbers inf and nan
		value, err := strconv.ParseFloat(string(number)+text, 64)
		if err != nil {
			return unfit
		}
		var ok bool
		if c.Numbers, ok = c.Type.AppendFloat(c.Numbers, value); !ok {
			return fmt.Errorf("%s is beyond the range of %s", number, c.Type)
		}
		return nil
	}
	return unfit
}

func notFinite(text string) bool {
	return slices.Contains([]string{"inf", "-inf", "nan"}, strings.ToLower(text))
}

// appendInteger appends a whole number. It refuses 2.0.
func (c *Constant) appendInteger(text string) error {
	bits, signed := c.Type.width()
	var raw uint64
	if signed {
		v, err := strconv.ParseInt(text, 10, bits)
		if err != nil {
			return fmt.Errorf("%s is no whole number of type %s", text, c.Type)
		}
		raw = uint64(v)
	} else {
		v, err := strconv.ParseUint(text, 10, bits)
		if err != nil {
			return fmt.Errorf("%s is no whole number of type %s", text, c.Type)
		}
		raw = v
	}
	c.Numbers = append(c.Numbers, binary.LittleEndian.AppendUint64(nil, raw)[:bits/8]...)
	return nil
}

// width returns the size of an integer type in bits, and whether it is signed.
func (d DType) width() (bits int, signed bool) {
	switch d {
	case Int8:
		return 8, true
	case Int16:
		return 16, true
	case Int32:
		return 32, true
	case Int64:
		return 64, true
	case Uint8:
		return 8, false
	case Uint16:
		return 16, false
	case Uint32:
		return 32, false
	}
	return 64, false
}
