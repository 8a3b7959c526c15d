package files

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"
)

// pagePieces are a chunk's pages, decoded here. The library's column readers
// decode levels one by one and values into buffers that they grow: a third of
// the rows per second on lists of floats.
type pagePieces struct {
	pages    *pages
	maxRep   uint8
	maxDef   uint8
	rep, def []byte // reused
}

func (p *pagePieces) offset() int64 { return p.pages.start }

func (p *pagePieces) next() (piece, error) {
	pg, err := p.pages.next()
	if err != nil {
		return piece{}, err
	}
	out := piece{n: int(pg.values), present: int(pg.values), encoding: pg.encoding, values: pg.body}
	if pg.kind == dictionaryPage {
		out.dictionary = true
		if pg.encoding != parquet.Encodings.Plain && pg.encoding != parquet.Encodings.PlainDict {
			return out, fmt.Errorf("a dictionary in the encoding %s", pg.encoding)
		}
		return out, nil
	}
	rep, def := pg.rep, pg.def
	if pg.kind == dataPageV1 {
		if rep, def, err = p.split(pg, &out); err != nil {
			return out, err
		}
	}
	return out, p.levels(&out, rep, def)
}

// split takes the levels off a version 1 page.
func (p *pagePieces) split(pg *page, out *piece) (rep, def []byte, err error) {
	if p.maxRep > 0 {
		if rep, out.values, err = levelBytes(pg.repEncoding, out.values); err != nil {
			return nil, nil, err
		}
	}
	if p.maxDef > 0 {
		def, out.values, err = levelBytes(pg.defEncoding, out.values)
	}
	return rep, def, err
}

func (p *pagePieces) levels(out *piece, rep, def []byte) (err error) {
	if p.maxRep > 0 {
		if p.rep, err = levels(rep, p.maxRep, out.n, p.rep); err != nil {
			return err
		}
		out.rep = p.rep
	}
	if p.maxDef > 0 {
		if p.def, err = levels(def, p.maxDef, out.n, p.def); err != nil {
			return err
		}
		if out.present = bytes.Count(p.def, []byte{p.maxDef}); out.present < out.n {
			out.def = p.def
		}
	}
	return nil
}

// libraryLevels is how many levels are asked of the library at once.
const libraryLevels = 8 << 10

// libraryPieces are decoded by the library, which knows encodings that are too
// rare for pagePieces. Values come as if they had been written plainly.
type libraryPieces struct {
	reader         file.ColumnChunkReader
	maxRep, maxDef uint8
	repLevels      []int16
	defLevels      []int16
	rep, def       []byte
	plain          []byte
	values         any
}

func (p *libraryPieces) offset() int64 { return -1 }

func (p *libraryPieces) next() (piece, error) {
	if !p.reader.HasNext() {
		if err := p.reader.Err(); err != nil {
			return piece{}, err
		}
		return piece{}, io.EOF
	}
	if p.repLevels == nil {
		p.repLevels, p.defLevels = make([]int16, libraryLevels), make([]int16, libraryLevels)
	}
	p.plain = p.plain[:0]
	n, present, err := p.batch()
	if err != nil {
		return piece{}, err
	}
	out := piece{n: int(n), present: present, encoding: parquet.Encodings.Plain, values: p.plain}
	if p.maxRep > 0 {
		p.rep = narrowed(p.rep, p.repLevels[:n])
		out.rep = p.rep
	}
	if p.maxDef > 0 && present < int(n) {
		p.def = narrowed(p.def, p.defLevels[:n])
		out.def = p.def
	}
	return out, nil
}

func narrowed(to []byte, from []int16) []byte {
	to = to[:0]
	for _, v := range from {
		to = append(to, byte(v))
	}
	return to
}

// readBatch is the method that the library's readers have for each type.
func readBatch[T any](p *libraryPieces, read func(int64, []T, []int16, []int16) (int64, int, error), plain func([]byte, []T) []byte) (int64, int, error) {
	if p.values == nil {
		p.values = make([]T, libraryLevels)
	}
	values := p.values.([]T)
	n, present, err := read(libraryLevels, values, p.defLevels, p.repLevels)
	p.plain = plain(p.plain, values[:present])
	return n, present, err
}

// batch reads some values and appends them to plain.
func (p *libraryPieces) batch() (int64, int, error) {
	switch r := p.reader.(type) {
	case *file.Int32ColumnChunkReader:
		return readBatch(p, r.ReadBatch, func(to []byte, v []int32) []byte { return append(to, arrow.Int32Traits.CastToBytes(v)...) })
	case *file.Int64ColumnChunkReader:
		return readBatch(p, r.ReadBatch, func(to []byte, v []int64) []byte { return append(to, arrow.Int64Traits.CastToBytes(v)...) })
	case *file.Float32ColumnChunkReader:
		return readBatch(p, r.ReadBatch, func(to []byte, v []float32) []byte { return append(to, arrow.Float32Traits.CastToBytes(v)...) })
	case *file.Float64ColumnChunkReader:
		return readBatch(p, r.ReadBatch, func(to []byte, v []float64) []byte { return append(to, arrow.Float64Traits.CastToBytes(v)...) })
	case *file.FixedLenByteArrayColumnChunkReader:
		return readBatch(p, r.ReadBatch, func(to []byte, v []parquet.FixedLenByteArray) []byte {
			for _, b := range v {
				to = append(to, b...)
			}
			return to
		})
	case *file.ByteArrayColumnChunkReader:
		return readBatch(p, r.ReadBatch, func(to []byte, v []parquet.ByteArray) []byte {
			for _, b := range v {
				to = append(binary.LittleEndian.AppendUint32(to, uint32(len(b))), b...)
			}
			return to
		})
	}
	return 0, 0, fmt.Errorf("values of %s in a rare encoding", p.reader.Type())
}
