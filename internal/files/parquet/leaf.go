package parquet

import (
	"bytes"
	"errors"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"

	"tfos/internal/files/arrays"
	"tfos/internal/files/codec"
)

// piece is a page: its levels expanded, its values encoded. It holds until the
// next one. A dictionary has no levels.
type piece struct {
	dictionary bool
	n          int    // levels, or a dictionary's values
	rep, def   []byte // rep: only where there are lists; def nil: all at their highest
	present    int    // values, which nulls and empty lists are not
	encoding   parquet.Encoding
	values     []byte
}

// pieces gives a column chunk's pieces; io.EOF: there are no more.
type pieces interface {
	next() (piece, error)
	// offset is where the last piece begins in the file; -1: not known.
	offset() int64
}

// chunk is a column chunk of a row group, ready to be read.
type chunk struct {
	pieces
	rows int64
	// slots is about how many leaf values there are for a row.
	slots float64
}

// leaf reads one leaf column, batch by batch and across row groups. A batch's
// levels and values are kept until finish.
type leaf struct {
	name           string
	maxRep, maxDef uint8
	ancestor       uint8 // definition level from which on there is a slot
	nested         bool  // the levels say something of other arrays
	values         values
	open           func(group int) (chunk, error)
	group          int // the next to open

	chunk
	left int64 // rows of the row group
	cur  piece
	at   int // levels of cur that are used

	levels   int    // of the batch
	rep, def []byte // of the batch, if nested; def nil: all at maxDef
	slots    int
	nulls    int
	validity arrays.Buffer // nil buffer: no nulls yet
}

// read appends rows to the batch.
func (l *leaf) read(rows int64) error {
	for first := true; rows > 0; first = false {
		if err := l.enter(); err != nil {
			return err
		}
		n := min(rows, l.left)
		if first {
			l.values.reserve(int(min(float64(rows)*l.chunk.slots*1.01, codec.MaxBatchBytes)) + 1)
		}
		if err := l.take(int(n)); err != nil {
			return err
		}
		l.left -= n
		rows -= n
		if err := l.leave(); err != nil {
			return err
		}
	}
	return nil
}

// enter opens row groups until there is one with rows.
func (l *leaf) enter() (err error) {
	for l.left == 0 {
		if l.chunk, err = l.open(l.group); err != nil {
			return err
		}
		l.group++
		l.left, l.cur, l.at = l.chunk.rows, piece{}, 0
		l.values.begin()
	}
	return nil
}

// leave looks, at a row group's end, that all of it was read.
func (l *leaf) leave() error {
	if l.left > 0 {
		return nil
	}
	more, err := l.more()
	if more && err == nil {
		err = errMore
	}
	return err
}

var (
	errMore    = errors.New("it has more rows than its footer says")
	errMissing = errors.New("it has fewer rows than its footer says")
)

// more says whether there are levels left in the column chunk; it moves to the
// next piece as needed.
func (l *leaf) more() (bool, error) {
	for l.at == l.cur.n {
		p, err := l.next()
		switch {
		case err == io.EOF:
			return false, nil
		case err != nil:
			return false, err
		case p.dictionary:
			err = l.values.dictionary(p.values, p.n)
		default:
			l.cur, l.at = p, 0
			err = l.values.page(p.encoding, p.values, p.present)
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// take appends rows of the row group at hand. A row goes on to the level before
// the next row's first, which may be pages away.
func (l *leaf) take(rows int) error {
	for {
		more, err := l.more()
		if err != nil {
			return err
		}
		if !more {
			if rows > 0 {
				return errMissing
			}
			return nil
		}
		n, starts := l.span(rows)
		if err := l.append(n); err != nil {
			return err
		}
		rows -= starts
		if rows == 0 && (l.maxRep == 0 || l.at < l.cur.n) {
			return nil
		}
	}
}

// span is how many levels of the piece belong to this many more rows, and how
// many of the rows begin there.
func (l *leaf) span(rows int) (n, starts int) {
	rest := l.cur.n - l.at
	if l.maxRep == 0 {
		n = min(rows, rest)
		return n, n
	}
	for seg := l.cur.rep[l.at:l.cur.n]; ; {
		i := bytes.IndexByte(seg[n:], 0)
		if i < 0 {
			return rest, starts
		}
		if n += i; starts == rows {
			return n, starts
		}
		starts++
		n++
	}
}

// append takes the next n levels of the piece into the batch.
func (l *leaf) append(n int) error {
	if n == 0 {
		return nil
	}
	var def []byte
	if l.cur.def != nil {
		def = l.cur.def[l.at : l.at+n]
	}
	if l.nested {
		l.keep(n, def)
	}
	l.at += n
	l.levels += n
	if def == nil {
		return l.some(n)
	}
	for len(def) > 0 {
		k := 1
		for k < len(def) && def[k] == def[0] {
			k++
		}
		if err := l.same(def[0], k); err != nil {
			return err
		}
		def = def[k:]
	}
	return nil
}

// keep copies the levels for the arrays above the leaf.
func (l *leaf) keep(n int, def []byte) {
	if l.maxRep > 0 {
		l.rep = append(l.rep, l.cur.rep[l.at:l.at+n]...)
	}
	if def == nil && l.def == nil {
		return
	}
	if l.def == nil {
		l.def = bytes.Repeat([]byte{l.maxDef}, l.levels)
	}
	if def == nil {
		def = bytes.Repeat([]byte{l.maxDef}, n)
	}
	l.def = append(l.def, def...)
}

// same appends n slots whose definition level is def.
func (l *leaf) same(def byte, n int) error {
	switch {
	case def == l.maxDef:
		return l.some(n)
	case def >= l.ancestor:
		l.valid(n, false)
		l.values.skip(n)
	}
	return nil
}

func (l *leaf) some(n int) error {
	if l.nulls > 0 {
		l.valid(n, true)
	} else {
		l.slots += n
	}
	return l.values.take(n)
}

// valid appends n bits. The first null makes those before it.
func (l *leaf) valid(n int, is bool) {
	if l.validity.Buf == nil {
		l.bits(l.slots)
		bitutil.SetBitsTo(l.validity.Buf.Bytes(), 0, int64(l.slots), true)
	}
	l.bits(l.slots + n)
	bitutil.SetBitsTo(l.validity.Buf.Bytes(), int64(l.slots), int64(n), is)
	l.slots += n
	if !is {
		l.nulls += n
	}
}

func (l *leaf) bits(n int) {
	clear(l.validity.Extend(int(bitutil.BytesForBits(int64(n))) - l.validity.Len()))
}

// finish is the batch's array; the batch's levels stay until clear.
func (l *leaf) finish() arrow.ArrayData {
	var validity *memory.Buffer
	if l.nulls > 0 {
		validity = l.validity.Detach()
	}
	return l.values.finish(l.slots, validity, l.nulls)
}

// begin begins a batch.
func (l *leaf) begin() {
	l.release()
	l.levels, l.slots, l.nulls = 0, 0, 0
	l.rep, l.def = l.rep[:0], nil
	l.values.reserve(0)
}

// release lets go of a batch that is not finished.
func (l *leaf) release() {
	l.values.Release()
	l.validity.Release()
}
