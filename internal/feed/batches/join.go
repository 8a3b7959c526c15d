package batches

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// join returns the rows of runs as one record, which the caller releases. Rows of
// one run share memory with their piece. Others are copied into memory of mem.
func join(mem memory.Allocator, runs []run) (arrow.Record, error) {
	first := runs[0].piece.record
	if len(runs) == 1 {
		return first.NewSlice(runs[0].from, runs[0].from+runs[0].n), nil
	}
	rows := int64(0)
	for _, r := range runs {
		rows += r.n
		if err := sameColumns(first.Schema(), r.piece.record.Schema()); err != nil {
			return nil, err
		}
	}
	columns := make([]arrow.Array, 0, first.NumCols())
	defer func() { releaseAll(columns) }()
	spans := make([]span, len(runs))
	for i, field := range first.Schema().Fields() {
		for j, r := range runs {
			spans[j] = span{r.piece.record.Column(i).Data(), int(r.from), int(r.n)}
		}
		data, err := joinSpans(mem, field.Type, spans)
		if err != nil {
			return nil, fmt.Errorf("feed: column %s: %w", field.Name, err)
		}
		columns = append(columns, array.MakeFromData(data))
		data.Release()
	}
	return array.NewRecord(first.Schema(), columns, rows), nil
}

func sameColumns(a, b *arrow.Schema) error {
	if a == b {
		return nil
	}
	same := a.NumFields() == b.NumFields()
	for i := 0; same && i < a.NumFields(); i++ {
		same = a.Field(i).Name == b.Field(i).Name && arrow.TypeEqual(a.Field(i).Type, b.Field(i).Type)
	}
	if !same {
		return fmt.Errorf("feed: the input's columns change: %s, then %s", a, b)
	}
	return nil
}

// span is n values of an array that follow each other, from its from-th on.
type span struct {
	data    arrow.ArrayData
	from, n int
}

// joinSpans returns the values of spans, of arrays of one type, as one array.
func joinSpans(mem memory.Allocator, t arrow.DataType, spans []span) (arrow.ArrayData, error) {
	layout, err := layoutOf(t)
	if err != nil {
		return nil, err
	}
	n := 0
	for _, s := range spans {
		n += s.n
	}
	j := &joiner{mem: mem, spans: spans, n: n, buffers: make([]*memory.Buffer, layout.buffers)}
	defer func() { memory.ReleaseBuffers(j.buffers) }()
	nulls := j.joinValidity()
	inner, err := j.joinValues(layout)
	if err != nil {
		return nil, err
	}
	var children []arrow.ArrayData
	defer func() {
		for _, c := range children {
			c.Release()
		}
	}()
	for i, child := range layout.children {
		if layout.form == structForm {
			inner = j.childSpans(i, 1)
		}
		data, err := joinSpans(mem, child, inner)
		if err != nil {
			return nil, err
		}
		children = append(children, data)
	}
	return array.NewData(t, n, j.buffers, children, nulls, 0), nil
}

// joiner makes the buffers of one array.
type joiner struct {
	mem     memory.Allocator
	spans   []span
	n       int
	buffers []*memory.Buffer
}

func (j *joiner) allocate(i, size int) []byte {
	b := memory.NewResizableBuffer(j.mem)
	b.Resize(size)
	j.buffers[i] = b
	return b.Bytes()
}

// joinValidity makes the bitmap, if there are nulls. It returns their number.
func (j *joiner) joinValidity() (nulls int) {
	if len(j.buffers) == 0 {
		return j.n
	}
	any := false
	for _, s := range j.spans {
		any = any || s.data.NullN() != 0
	}
	if !any {
		return 0
	}
	bits := j.allocate(0, int(bitutil.BytesForBits(int64(j.n))))
	at := 0
	for _, s := range j.spans {
		if b := s.data.Buffers()[0]; b != nil && b.Len() > 0 {
			bitutil.CopyBitmap(b.Bytes(), s.data.Offset()+s.from, s.n, bits, at)
		} else {
			bitutil.SetBitsTo(bits, int64(at), int64(s.n), true)
		}
		at += s.n
	}
	return j.n - bitutil.CountSetBits(bits, 0, j.n)
}

// joinValues makes the other buffers. It returns the spans of the child that
// belong to a list's rows.
func (j *joiner) joinValues(l layout) ([]span, error) {
	switch l.form {
	case fixedForm:
		j.joinFixed(l.width)
	case bytesForm:
		return nil, joinBytes(j, arrow.Int32Traits.CastFromBytes, math.MaxInt32)
	case longForm:
		return nil, joinBytes(j, arrow.Int64Traits.CastFromBytes, math.MaxInt64)
	case listForm:
		return joinOffsets(j, arrow.Int32Traits.CastFromBytes, math.MaxInt32)
	case longList:
		return joinOffsets(j, arrow.Int64Traits.CastFromBytes, math.MaxInt64)
	case fixedList:
		return j.childSpans(0, l.width), nil
	}
	return nil, nil
}

func (j *joiner) joinFixed(bits int) {
	out := j.allocate(1, int(bitutil.BytesForBits(int64(j.n*bits))))
	at := 0
	for _, s := range j.spans {
		if s.n == 0 { // then there may be no values
			continue
		}
		from := s.data.Offset() + s.from
		in := s.data.Buffers()[1].Bytes()
		if bits%8 == 0 {
			copy(out[at*bits/8:], in[from*bits/8:(from+s.n)*bits/8])
		} else {
			bitutil.CopyBitmap(in, from*bits, s.n*bits, out, at*bits)
		}
		at += s.n
	}
}

// childSpans returns the rows of the child that belong to the spans: times of them
// for each row.
func (j *joiner) childSpans(child, times int) []span {
	out := make([]span, len(j.spans))
	for i, s := range j.spans {
		out[i] = span{s.data.Children()[child], (s.data.Offset() + s.from) * times, s.n * times}
	}
	return out
}

// joinOffsets makes the offsets' buffer. It returns the spans of what they point
// to; their data is nil for texts and bytes.
func joinOffsets[T int32 | int64](j *joiner, cast func([]byte) []T, most int64) ([]span, error) {
	var one T
	out := cast(j.allocate(1, (j.n+1)*int(unsafe.Sizeof(one))))
	inner := make([]span, len(j.spans))
	total, at := int64(0), 0
	out[0] = 0
	for i, s := range j.spans {
		if len(s.data.Children()) > 0 {
			inner[i].data = s.data.Children()[0]
		}
		if s.n == 0 { // then there may be no offsets
			continue
		}
		in := cast(s.data.Buffers()[1].Bytes())[s.data.Offset()+s.from:]
		inner[i].from, inner[i].n = int(in[0]), int(in[s.n]-in[0])
		if total+int64(inner[i].n) > most {
			return nil, fmt.Errorf("a batch of more than %d values: use a smaller batch_size", most)
		}
		for k := 1; k <= s.n; k++ {
			out[at+k] = T(total) + in[k] - in[0]
		}
		total += int64(inner[i].n)
		at += s.n
	}
	return inner, nil
}

// joinBytes makes the buffers of texts or bytes.
func joinBytes[T int32 | int64](j *joiner, cast func([]byte) []T, most int64) error {
	inner, err := joinOffsets(j, cast, most)
	if err != nil {
		return err
	}
	size := 0
	for _, s := range inner {
		size += s.n
	}
	out := j.allocate(2, size)
	at := 0
	for i, s := range inner {
		if s.n > 0 {
			at += copy(out[at:], j.spans[i].data.Buffers()[2].Bytes()[s.from:s.from+s.n])
		}
	}
	return nil
}
