package parquet

import (
	"math"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/parquet"

	"tfos/internal/files/codec"
)

// sizes looks how large rows are, and how many of them a batch has.
func (r *reader) sizes(o codec.ReadOptions) error {
	r.most, r.batch, r.room = int64(o.BatchRows), int64(o.BatchRows), o.BatchBytes
	for i, g := range r.groups {
		bytes, expands, err := r.rowBytes(g)
		if err != nil {
			return err
		}
		r.groups[i].first = max(1, min(r.most, r.room/max(1, bytes)))
		r.expands = r.expands || expands
	}
	if !r.expands {
		for _, g := range r.groups {
			r.batch = min(r.batch, g.first)
		}
	}
	return nil
}

// rowBytes is about the most bytes of a row of the group in memory. expands: it
// may be far less, because values stand in dictionaries: each is taken to be as
// large as its whole chunk.
func (r *reader) rowBytes(g rowGroup) (bytes int64, expands bool, err error) {
	rows := g.NumRows()
	for _, n := range r.columns {
		for _, c := range n.leaves() {
			chunk, err := g.ColumnChunk(c.column)
			if err != nil {
				return 0, false, err
			}
			size, values := max(0, chunk.TotalUncompressedSize()), max(0, chunk.NumValues())
			switch fixed, ok := c.field.Type.(arrow.FixedWidthDataType); {
			case ok:
				size = max(size, values*int64(fixed.Bytes()))
			case chunk.HasDictionaryPage() || slices.ContainsFunc(chunk.Encodings(), repeats):
				expands = true
				size = max(size, int64(min(float64(size)*float64(values), math.MaxInt32*float64(rows))))
			}
			bytes += size / rows
		}
	}
	return bytes, expands, nil
}

// repeats says that values may be far larger than their encoding.
func repeats(e parquet.Encoding) bool {
	return e == parquet.Encodings.RLEDict || e == parquet.Encodings.PlainDict || e == parquet.Encodings.DeltaByteArray
}

// growth is how many times the rows of a row group that were read may come in
// the next batch, where only batches tell how large rows are.
const growth = 8

// next is how many rows the next batch has.
func (r *reader) next() int64 {
	want := min(r.batch, r.total-r.rows)
	if !r.expands {
		return want
	}
	var rows int64
	seen := r.seen
	for _, g := range r.groups[r.group:] {
		n, most := min(want-rows, g.NumRows()-seen), max(g.first, growth*seen)
		if n > most {
			return rows + most
		}
		rows, seen = rows+n, 0
	}
	return rows
}

// pass moves on by rows.
func (r *reader) pass(rows int64) {
	r.seen += rows
	for r.group < len(r.groups) && r.seen >= r.groups[r.group].NumRows() {
		r.seen -= r.groups[r.group].NumRows()
		r.group++
	}
}
