package parquet

import (
	"math"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/parquet"

	"tfos/internal/files/codec"
)

// planBatches decides how many rows a batch has, by the size of rows.
func (r *reader) planBatches(o codec.ReadOptions) error {
	r.maxRows, r.batch, r.maxBytes = int64(o.BatchRows), int64(o.BatchRows), o.BatchBytes
	for i, g := range r.groups {
		bytes, expands, err := r.rowBytes(g)
		if err != nil {
			return err
		}
		r.groups[i].first = max(1, min(r.maxRows, r.maxBytes/max(1, bytes)))
		r.expands = r.expands || expands
	}
	if !r.expands {
		for _, g := range r.groups {
			r.batch = min(r.batch, g.first)
		}
	}
	return nil
}

// rowBytes returns about the largest size of a row of the group in memory.
// expands means that it may be far smaller: a value in a dictionary is assumed
// to be as large as its whole chunk.
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
			case chunk.HasDictionaryPage() || slices.ContainsFunc(chunk.Encodings(), mayExpand):
				expands = true
				size = max(size, int64(min(float64(size)*float64(values), math.MaxInt32*float64(rows))))
			}
			bytes += size / rows
		}
	}
	return bytes, expands, nil
}

// mayExpand reports whether values may be far larger than their encoding.
func mayExpand(e parquet.Encoding) bool {
	return e == parquet.Encodings.RLEDict || e == parquet.Encodings.PlainDict || e == parquet.Encodings.DeltaByteArray
}

// growth limits the next batch to this multiple of the rows already read of the
// row group. It applies if only batches tell how large rows are.
const growth = 8

// nextRows returns the number of rows of the next batch.
func (r *reader) nextRows() int64 {
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

// advance moves r.group and r.seen forward by rows.
func (r *reader) advance(rows int64) {
	r.seen += rows
	for r.group < len(r.groups) && r.seen >= r.groups[r.group].NumRows() {
		r.seen -= r.groups[r.group].NumRows()
		r.group++
	}
}
