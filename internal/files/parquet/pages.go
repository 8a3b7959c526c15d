package parquet

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/metadata"

	"tfos/internal/files/codec"
)

// readAhead is the number of bytes read beyond a page, so that the next page's
// header is in memory.
const readAhead = 64 << 10

// maxHeader bounds a page header, in bytes. Its statistics may hold values.
const maxHeader = 16 << 20

// window reads a range of a file in order. It holds at most the bytes of one
// request and readAhead.
type window struct {
	r         io.ReaderAt
	next, end int64  // the unread range of the file
	held      []byte // read, but not yet consumed
	buffer    []byte
}

// offset returns the offset of held in the file.
func (w *window) offset() int64 { return w.next - int64(len(w.held)) }

// peek returns the next n bytes, or fewer at the range's end.
func (w *window) peek(n int) ([]byte, error) {
	if n > len(w.held) && w.next < w.end {
		if err := w.fill(n); err != nil {
			return nil, err
		}
	}
	return w.held[:min(n, len(w.held))], nil
}

func (w *window) fill(n int) error {
	size := int(min(int64(n+readAhead), int64(len(w.held))+w.end-w.next))
	if cap(w.buffer) < size {
		grown := make([]byte, size)
		copy(grown, w.held)
		w.buffer = grown
	} else {
		copy(w.buffer[:cap(w.buffer)], w.held)
	}
	have := len(w.held)
	n, err := w.r.ReadAt(w.buffer[have:size], w.next)
	w.next += int64(n)
	w.held = w.buffer[:have+n]
	return err
}

// consume returns the next n bytes, which are valid until the next call.
func (w *window) consume(n int) ([]byte, error) {
	b, err := w.peek(n)
	if err != nil {
		return nil, err
	}
	if len(b) < n {
		return nil, fmt.Errorf("%d bytes are left where %d must be", len(b), n)
	}
	w.held = w.held[n:]
	return b, nil
}

// page is a page with decompressed body. Its bytes are valid until the next
// page.
type page struct {
	pageHeader
	rep, def []byte // levels of version 2, encoded
	body     []byte // of version 1: with its levels
}

// pages reads the pages of one column chunk.
type pages struct {
	in      window
	unpack  decompressor
	maxSize int64 // upper limit of a decompressed page, in bytes
	values  int64 // values of the chunk by the footer; only a dictionary page may have more
	body    []byte
	start   int64 // offset of the current page in the file
}

// pieceOf returns where a column chunk is in a file of so many bytes.
func pieceOf(chunk *metadata.ColumnChunkMetaData, size int64) (codec.Piece, error) {
	begin := chunk.DataPageOffset()
	if dict := chunk.DictionaryPageOffset(); chunk.HasDictionaryPage() && dict > 0 && dict < begin {
		begin = dict
	}
	length := chunk.TotalCompressedSize()
	if begin < 0 || length < 0 || length > size-begin {
		return codec.Piece{}, fmt.Errorf("a column chunk of %d bytes at byte %d in a file of %d", length, begin, size)
	}
	return codec.Piece{Offset: begin, Size: length}, nil
}

// open opens a column chunk of a file of size bytes, which r reads. The memory of the chunk
// before is used again, and so that chunk's pages are no longer valid.
func (p *pages) open(r io.ReaderAt, size int64, chunk *metadata.ColumnChunkMetaData) error {
	at, err := pieceOf(chunk, size)
	if err != nil {
		return err
	}
	if path := chunk.FilePath(); path != "" {
		return fmt.Errorf("its values are in another file, %s, which is to be read instead", path)
	}
	unpack, err := decompressorOf(chunk.Compression())
	if err != nil {
		return err
	}
	*p = pages{in: window{r: r, next: at.Offset, end: at.Offset + at.Size, buffer: p.in.buffer}, unpack: unpack,
		maxSize: chunk.TotalUncompressedSize(), values: chunk.NumValues(), body: p.body, start: at.Offset}
	return nil
}

// next returns the chunk's next data or dictionary page; io.EOF: there is none.
func (p *pages) next() (*page, error) {
	for {
		p.start = p.in.offset()
		h, err := p.readHeader()
		if err != nil {
			return nil, err
		}
		body, err := p.in.consume(int(h.compressed))
		if err != nil {
			return nil, err
		}
		if h.hasCRC && crc32.ChecksumIEEE(body) != h.crc {
			return nil, fmt.Errorf("a page's checksum is %08x, not %08x", crc32.ChecksumIEEE(body), h.crc)
		}
		switch h.kind {
		case dataPageV1, dataPageV2, dictionaryPage:
			return p.unpackBody(h, body)
		}
	}
}

func (p *pages) readHeader() (pageHeader, error) {
	for n := 256; ; n *= 4 {
		b, err := p.in.peek(n)
		if err != nil {
			return pageHeader{}, err
		}
		if len(b) == 0 {
			return pageHeader{}, io.EOF
		}
		h, used, err := parseHeader(b)
		switch {
		case errors.Is(err, errShort) && len(b) == n && n < maxHeader:
			continue
		case err != nil:
			return pageHeader{}, err
		case int64(h.size) > max(p.maxSize, int64(h.compressed)) || h.kind != dictionaryPage && int64(h.values) > p.values:
			return pageHeader{}, fmt.Errorf("a page of %d bytes and %d values in a column of %d bytes and %d values", h.size, h.values, p.maxSize, p.values)
		}
		_, err = p.in.consume(used)
		return h, err
	}
}

// unpackBody decompresses a page's body.
func (p *pages) unpackBody(h pageHeader, body []byte) (*page, error) {
	pg := &page{pageHeader: h}
	if h.kind == dataPageV2 {
		pg.rep, body = body[:h.repBytes], body[h.repBytes:]
		pg.def, body = body[:h.defBytes], body[h.defBytes:]
		h.size -= h.repBytes + h.defBytes
	}
	if p.unpack == nil || h.kind == dataPageV2 && !h.valuesPacked {
		pg.body = body
		return pg, p.checkSize(pg, h)
	}
	if h.size == 0 {
		return pg, nil
	}
	if cap(p.body) < int(h.size) {
		p.body = make([]byte, h.size)
	}
	var err error
	if pg.body, err = p.unpack(p.body[:h.size], body); err != nil {
		return nil, err
	}
	return pg, p.checkSize(pg, h)
}

func (p *pages) checkSize(pg *page, h pageHeader) error {
	if len(pg.body) != int(h.size) {
		return fmt.Errorf("a page has %d bytes, not %d", len(pg.body), h.size)
	}
	return nil
}

// levelBytes splits the levels off a version 1 page. Their length precedes
// them.
func levelBytes(encoding parquet.Encoding, body []byte) (levels, rest []byte, err error) {
	if encoding != parquet.Encodings.RLE {
		return nil, nil, fmt.Errorf("levels in the encoding %s", encoding)
	}
	if len(body) < 4 {
		return nil, nil, errors.New("a page ends within its levels")
	}
	n := uint32(body[0]) | uint32(body[1])<<8 | uint32(body[2])<<16 | uint32(body[3])<<24
	if uint64(n) > uint64(len(body)-4) {
		return nil, nil, errors.New("a page ends within its levels")
	}
	return body[4 : 4+n], body[4+n:], nil
}
