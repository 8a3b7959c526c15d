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

// decodedPage is a page with expanded levels and encoded values. It is valid
// until the next page. A dictionary page has no levels.
type decodedPage struct {
	dictionary bool
	n          int    // levels, or values of a dictionary
	rep, def   []byte // rep is set only below lists; def nil: all levels are the highest
	present    int    // values that are neither null nor an empty list
	encoding   parquet.Encoding
	values     []byte
}

// pageSource returns the pages of a column chunk; io.EOF: there are no more.
type pageSource interface {
	next() (decodedPage, error)
	// offset returns where the last page begins in the file, or -1.
	offset() int64
}

// chunk is an open column chunk of a row group.
type chunk struct {
	pageSource
	rows int64
	// slots is about the number of leaf values per row.
	slots float64
}

// leaf reads one leaf column, batch by batch and across row groups. It keeps a
// batch's levels and values until finish.
type leaf struct {
	name           string
	maxRep, maxDef uint8
	ancestor       uint8 // lowest definition level that has a slot
	nested         bool  // arrays above the leaf need its levels
	values         values
	open           func(group int) (chunk, error)
	group          int         // the next to open
	in             io.ReaderAt // reads its chunks, in the order of row groups
	decoder        *pageDecoder

	chunk
	rowsLeft int64 // rows left in the row group
	cur      decodedPage
	at       int // levels of cur that were used

	levels   int    // of the batch
	rep, def []byte // of the batch, if nested; def nil: all are maxDef
	slots    int
	nulls    int
	validity arrays.Buffer // nil buffer: no nulls yet
}

// readRows appends rows to the batch.
func (l *leaf) readRows(rows int64) error {
	for first := true; rows > 0; first = false {
		if err := l.openNextGroup(); err != nil {
			return err
		}
		n := min(rows, l.rowsLeft)
		if first {
			l.values.reserve(int(min(float64(rows)*l.chunk.slots*1.01, codec.MaxBatchBytes)) + 1)
		}
		if err := l.appendRows(int(n)); err != nil {
			return err
		}
		l.rowsLeft -= n
		rows -= n
		if err := l.checkGroupEnd(); err != nil {
			return err
		}
	}
	return nil
}

// openNextGroup opens row groups until one has rows.
func (l *leaf) openNextGroup() (err error) {
	for l.rowsLeft == 0 {
		if l.chunk, err = l.open(l.group); err != nil {
			return err
		}
		l.group++
		l.rowsLeft, l.cur, l.at = l.chunk.rows, decodedPage{}, 0
		l.values.beginChunk()
	}
	return nil
}

// checkGroupEnd returns an error if a row group has more rows than its footer
// says.
func (l *leaf) checkGroupEnd() error {
	if l.rowsLeft > 0 {
		return nil
	}
	more, err := l.hasLevels()
	if more && err == nil {
		err = errMore
	}
	return err
}

var (
	errMore    = errors.New("it has more rows than its footer says")
	errMissing = errors.New("it has fewer rows than its footer says")
)

// hasLevels reports whether levels are left in the column chunk. It moves to
// the next page when needed.
func (l *leaf) hasLevels() (bool, error) {
	for l.at == l.cur.n {
		p, err := l.next()
		switch {
		case err == io.EOF:
			return false, nil
		case err != nil:
			return false, err
		case p.dictionary:
			err = l.values.setDictionary(p.values, p.n)
		default:
			l.cur, l.at = p, 0
			err = l.values.beginPage(p.encoding, p.values, p.present)
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// appendRows appends rows of the current row group. A row ends before the next
// level 0 of repetition, which may be pages away.
func (l *leaf) appendRows(rows int) error {
	for {
		more, err := l.hasLevels()
		if err != nil {
			return err
		}
		if !more {
			if rows > 0 {
				return errMissing
			}
			return nil
		}
		n, starts := l.countLevels(rows)
		if err := l.appendLevels(n); err != nil {
			return err
		}
		rows -= starts
		if rows == 0 && (l.maxRep == 0 || l.at < l.cur.n) {
			return nil
		}
	}
}

// countLevels returns how many levels of the page belong to this many more
// rows, and how many of the rows begin in the page.
func (l *leaf) countLevels(rows int) (n, starts int) {
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

// appendLevels moves the next n levels of the page into the batch.
func (l *leaf) appendLevels(n int) error {
	if n == 0 {
		return nil
	}
	var def []byte
	if l.cur.def != nil {
		def = l.cur.def[l.at : l.at+n]
	}
	if l.nested {
		l.keepLevels(n, def)
	}
	l.at += n
	l.levels += n
	if def == nil {
		return l.appendPresent(n)
	}
	for len(def) > 0 {
		k := 1
		for k < len(def) && def[k] == def[0] {
			k++
		}
		if err := l.appendRun(def[0], k); err != nil {
			return err
		}
		def = def[k:]
	}
	return nil
}

// keepLevels copies the levels for the arrays above the leaf.
func (l *leaf) keepLevels(n int, def []byte) {
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

// appendRun appends n slots with definition level def.
func (l *leaf) appendRun(def byte, n int) error {
	switch {
	case def == l.maxDef:
		return l.appendPresent(n)
	case def >= l.ancestor:
		l.appendValidity(n, false)
		l.values.appendEmpty(n)
	}
	return nil
}

func (l *leaf) appendPresent(n int) error {
	if l.nulls > 0 {
		l.appendValidity(n, true)
	} else {
		l.slots += n
	}
	return l.values.appendValues(n)
}

// appendValidity appends n bits. The first null creates the bitmap with the
// bits before it.
func (l *leaf) appendValidity(n int, is bool) {
	if l.validity.Buf == nil {
		l.growValidity(l.slots)
		bitutil.SetBitsTo(l.validity.Buf.Bytes(), 0, int64(l.slots), true)
	}
	l.growValidity(l.slots + n)
	bitutil.SetBitsTo(l.validity.Buf.Bytes(), int64(l.slots), int64(n), is)
	l.slots += n
	if !is {
		l.nulls += n
	}
}

func (l *leaf) growValidity(n int) {
	clear(l.validity.Extend(int(bitutil.BytesForBits(int64(n))) - l.validity.Len()))
}

// finish returns the batch's array. The batch's levels stay until beginBatch.
func (l *leaf) finish() arrow.ArrayData {
	var validity *memory.Buffer
	if l.nulls > 0 {
		validity = l.validity.Detach()
	}
	return l.values.finish(l.slots, validity, l.nulls)
}

// beginBatch begins a batch.
func (l *leaf) beginBatch() {
	l.release()
	l.levels, l.slots, l.nulls = 0, 0, 0
	l.rep, l.def = l.rep[:0], nil
	l.values.reserve(0)
}

// release frees a batch that is not finished.
func (l *leaf) release() {
	l.values.Release()
	l.validity.Release()
}
