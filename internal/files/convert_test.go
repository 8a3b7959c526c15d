package files

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// conversionOf is one of 1,003 rows, in batches of 10, in a folder of its own.
func conversionOf(t *testing.T, c column) Conversion {
	dir := t.TempDir()
	in := filepath.Join(dir, "in.arrow")
	kits[1].write(t, in, rowsOf(memory.DefaultAllocator, c, 0, 1003))
	return Conversion{From: Arrow, To: Parquet, In: in, Out: filepath.Join(dir, "out"), Staging: filepath.Join(dir, ".staging"),
		Read: ReadOptions{BatchRows: 10}}
}

func TestConvertDealsRowsOut(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	c := conversionOf(t, plainColumn)
	c.Shards, c.Read.Memory = 3, mem
	done, err := Convert(t.Context(), c)
	if err != nil || done.Rows != 1003 || done.Files != 3 {
		t.Fatal(done, err)
	}
	var all []int64
	for i := range 3 {
		got := ids(kits[0].must(t, filepath.Join(c.Out, fmt.Sprintf("part-%05d.parquet", i)), 0, ReadOptions{}))
		if len(got) < 333 || len(got) > 336 || !slices.IsSorted(got) {
			t.Errorf("shard %d: %d rows, in order %v", i, len(got), slices.IsSorted(got))
		}
		all = append(all, got...)
	}
	if slices.Sort(all); !slices.Equal(all, upTo(1003)) {
		t.Errorf("%d rows in all", len(all))
	}
}

// Whatever goes wrong, nothing is left but what was there.
func TestConvertAllOrNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for name, tt := range map[string]struct {
		change func(c *Conversion)
		ctx    context.Context
		is     func(error) bool
	}{
		"value":     {change: func(c *Conversion) { c.To = TFRecord }, is: func(err error) bool { return errors.Is(err, ErrValue) }},
		"cancelled": {change: func(c *Conversion) { c.Progress = func(rows int64) { cancel() } }, ctx: ctx, is: func(err error) bool { return errors.Is(err, context.Canceled) }},
		"exists": {change: func(c *Conversion) { c.Out = t.TempDir() }, is: func(err error) bool {
			var output *OutputError
			return errors.Is(err, ErrExists) && errors.As(err, &output)
		}},
		"damaged": {change: func(c *Conversion) {
			content, err := os.ReadFile(c.In)
			if err == nil {
				err = os.WriteFile(c.In, slices.Concat(content[:len(content)/2], make([]byte, 64), content[len(content)/2:]), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}, is: func(err error) bool { var data *Error; return errors.As(err, &data) }},
	} {
		t.Run(name, func(t *testing.T) {
			c := conversionOf(t, column{"value", arrow.ListOf(arrow.PrimitiveTypes.Int32), list5(nulls(number[int32](1)))})
			c.Shards = 2
			tt.change(&c)
			if tt.ctx == nil {
				tt.ctx = t.Context()
			}
			if _, err := Convert(tt.ctx, c); !tt.is(err) {
				t.Errorf("%v", err)
			}
			left, err := os.ReadDir(filepath.Dir(c.In))
			if err != nil || len(left) != 1 {
				t.Errorf("left: %v %v", left, err)
			}
		})
	}
}

func TestGatherBeyondTheDictionary(t *testing.T) {
	for _, width := range []int{2, 4, 8} {
		v := &fixedValues{in: width, out: width, dict: make([]byte, 3*width)}
		if err := v.gather(make([]byte, 2*width), []uint32{2, 3}); !errors.Is(err, errIndex) {
			t.Errorf("%d bytes: %v", width, err)
		}
	}
}

func TestCheckRecord(t *testing.T) {
	offsets := func(v ...int32) *memory.Buffer { return memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(v)) }
	text := memory.NewBufferBytes([]byte("abcdef"))
	for _, tt := range []struct {
		offsets *memory.Buffer
		fits    bool
	}{{offsets(0, 2, 6), true}, {offsets(0, 5, 2), false}, {offsets(0, 2, 7), false}, {offsets(-1, 2, 3), false}, {offsets(0, 2), false}} {
		data := array.NewData(arrow.BinaryTypes.String, 2, []*memory.Buffer{nil, tt.offsets, text}, nil, 0, 0)
		if err := checkArray(data); (err == nil) != tt.fits {
			t.Errorf("offsets %v: %v", arrow.Int32Traits.CastFromBytes(tt.offsets.Bytes()), err)
		}
	}
	short := array.NewData(arrow.PrimitiveTypes.Int64, 3, []*memory.Buffer{nil, memory.NewBufferBytes(make([]byte, 16))}, nil, 0, 0)
	if err := checkArray(short); err == nil {
		t.Error("three numbers in 16 bytes")
	}
}
