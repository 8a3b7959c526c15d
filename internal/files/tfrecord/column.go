package tfrecord

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"tfos/internal/files/arrays"
	"tfos/internal/files/codec"
)

// exampleColumn appends the features of one name to one builder. A column of
// lists accepts a Feature, and a FeatureList whose steps have one value each. A
// column of lists of lists accepts FeatureLists.
type exampleColumn struct {
	field   arrow.Field
	builder array.Builder
	kind    kind
	// values appends an encoded list's values to the builder, or to its
	// elements. It returns their number.
	values func(list []byte) (int, error)
	list   array.ListLikeBuilder // nil: a scalar column, with exactly one value per row
	fixed  int                   // values of a fixed-size list; -1: any number
	step   *exampleColumn        // of a list of lists: appends a step; list and fixed then concern the steps
}

func newExampleColumn(f arrow.Field, b array.Builder) (exampleColumn, error) {
	c := exampleColumn{field: f, builder: b, fixed: -1}
	if list, ok := b.(array.ListLikeBuilder); ok {
		c.list, b = list, list.ValueBuilder()
		if fixed, ok := f.Type.(*arrow.FixedSizeListType); ok {
			c.fixed = int(fixed.Len())
		}
		if inner, ok := b.(array.ListLikeBuilder); ok && b.Type().ID() != arrow.MAP {
			element := f.Type.(arrow.ListLikeType).ElemField()
			step, err := newExampleColumn(arrow.Field{Name: f.Name, Type: element.Type}, inner)
			if err == nil && step.step != nil {
				err = fmt.Errorf("column %q: %s of a tf.SequenceExample: %w", f.Name, f.Type, codec.ErrType)
			}
			c.step, c.kind = &step, step.kind
			return c, err
		}
	}
	c.kind, c.values = exampleValues(b)
	if c.values == nil {
		return c, fmt.Errorf("column %q: %s of a tf.Example: %w", f.Name, f.Type, codec.ErrType)
	}
	return c, nil
}

// declarableError is the error of a value that would fit another declaration of
// its column. The schema may declare the column if its type was inferred.
type declarableError struct{ error }

func (e declarableError) Error() string {
	return e.error.Error() + "; declare the column, as a list if it is one, in the schema"
}

// appendFeature appends one record's feature. k 0 means that the record has
// none.
func (c *exampleColumn) appendFeature(k kind, list []byte) error {
	switch {
	case k == 0 && !c.field.Nullable:
		return arrays.NullError(c.field.Name)
	case k == 0:
		c.builder.AppendNull()
		return nil
	case c.step != nil:
		return declarableError{fmt.Errorf("feature %q is in the context and cannot be read as %s, which feature_lists are", c.field.Name, c.field.Type)}
	case k != c.kind:
		return declarableError{fmt.Errorf("feature %q is a %s and cannot be read as %s", c.field.Name, k, c.field.Type)}
	}
	if c.list != nil {
		c.list.Append(true)
	}
	n, err := c.values(list)
	switch {
	case err != nil:
		return fmt.Errorf("feature %q: %w", c.field.Name, err)
	case c.list == nil && n != 1:
		return declarableError{fmt.Errorf("feature %q has %d values where its column is one %s", c.field.Name, n, c.field.Type)}
	case c.fixed >= 0 && n != c.fixed:
		return declarableError{fmt.Errorf("feature %q has %d values and its column %d", c.field.Name, n, c.fixed)}
	}
	return nil
}

// appendSteps appends one record's FeatureList.
func (c *exampleColumn) appendSteps(list []byte) error {
	if c.list == nil {
		return declarableError{fmt.Errorf("feature %q is in feature_lists and cannot be read as %s", c.field.Name, c.field.Type)}
	}
	c.list.Append(true)
	step := 0
	n, err := eachStep(list, func(feature []byte) error {
		k, values, err := featureList(feature)
		if err == nil {
			err = c.appendStep(k, values)
		}
		if err != nil {
			var other declarableError
			if errors.As(err, &other) {
				return declarableError{fmt.Errorf("step %d: %w", step, other.error)}
			}
			return fmt.Errorf("step %d: %w", step, err)
		}
		step++
		return nil
	})
	if err == nil && c.fixed >= 0 && n != c.fixed {
		err = declarableError{fmt.Errorf("feature %q has %d steps and its column %d", c.field.Name, n, c.fixed)}
	}
	return err
}

// appendStep appends a Feature of a FeatureList. k 0 means that it has no
// values.
func (c *exampleColumn) appendStep(k kind, list []byte) error {
	switch {
	case c.step != nil && k == 0:
		return c.step.appendFeature(c.kind, nil)
	case c.step != nil:
		return c.step.appendFeature(k, list)
	case k != c.kind && k != 0:
		return declarableError{fmt.Errorf("feature %q has a %s and cannot be read as %s", c.field.Name, k, c.field.Type)}
	}
	n, err := c.values(list)
	if err == nil && n != 1 {
		err = declarableError{fmt.Errorf("feature %q has %d values in a step and its column is %s", c.field.Name, n, c.field.Type)}
	}
	return err
}

// exampleValues returns the kind of list that a builder of scalars reads, and
// the function that reads it. The function is nil if the builder reads no list.
func exampleValues(b array.Builder) (kind, func(list []byte) (int, error)) {
	switch b := b.(type) {
	case *array.Float32Builder:
		// Protobuf and Arrow both store little-endian numbers.
		return floatKind, func(list []byte) (int, error) {
			return walkFloats(list, func(run []byte) error {
				b.AppendValues(arrow.Float32Traits.CastFromBytes(run), nil)
				return nil
			})
		}
	case *array.Float64Builder:
		return floatKind, func(list []byte) (int, error) {
			return walkFloats(list, func(run []byte) error {
				for _, v := range arrow.Float32Traits.CastFromBytes(run) {
					b.Append(float64(v))
				}
				return nil
			})
		}
	case *array.StringBuilder:
		return bytesKind, textValues(func(v []byte) { b.BinaryBuilder.Append(v) })
	case *array.LargeStringBuilder:
		return bytesKind, textValues(func(v []byte) { b.BinaryBuilder.Append(v) })
	case *array.BinaryBuilder:
		return bytesKind, func(list []byte) (int, error) {
			return walkBytes(list, func(v []byte) error { b.Append(v); return nil })
		}
	}
	if appendInt := exampleInts(b); appendInt != nil {
		return int64Kind, func(list []byte) (int, error) { return walkInts(list, appendInt) }
	}
	return 0, nil
}

func textValues(appendValue func([]byte)) func(list []byte) (int, error) {
	return func(list []byte) (int, error) {
		return walkBytes(list, func(v []byte) error {
			if !utf8.Valid(v) {
				return errors.New("a value is not UTF-8; declare the column as binary in the schema")
			}
			appendValue(v)
			return nil
		})
	}
}

// exampleInts returns the function that appends an integer if the builder's
// type holds it. It is nil if the builder holds no integers.
func exampleInts(b array.Builder) func(int64) error {
	switch b := b.(type) {
	case *array.Int64Builder:
		return func(v int64) error { b.Append(v); return nil }
	case *array.Int32Builder:
		return inRange(b.Type(), math.MinInt32, math.MaxInt32, func(v int64) { b.Append(int32(v)) })
	case *array.Int16Builder:
		return inRange(b.Type(), math.MinInt16, math.MaxInt16, func(v int64) { b.Append(int16(v)) })
	case *array.Int8Builder:
		return inRange(b.Type(), math.MinInt8, math.MaxInt8, func(v int64) { b.Append(int8(v)) })
	case *array.Uint64Builder:
		return inRange(b.Type(), 0, math.MaxInt64, func(v int64) { b.Append(uint64(v)) })
	case *array.Uint32Builder:
		return inRange(b.Type(), 0, math.MaxUint32, func(v int64) { b.Append(uint32(v)) })
	case *array.Uint16Builder:
		return inRange(b.Type(), 0, math.MaxUint16, func(v int64) { b.Append(uint16(v)) })
	case *array.Uint8Builder:
		return inRange(b.Type(), 0, math.MaxUint8, func(v int64) { b.Append(uint8(v)) })
	case *array.BooleanBuilder:
		return inRange(b.Type(), 0, 1, func(v int64) { b.Append(v == 1) })
	}
	return nil
}

func inRange(t arrow.DataType, least, most int64, appendValue func(int64)) func(int64) error {
	return func(v int64) error {
		if v < least || v > most {
			return fmt.Errorf("%d is not a %s", v, t)
		}
		appendValue(v)
		return nil
	}
}
