package parquet

import (
	"fmt"

	"github.com/apache/arrow/go/v15/parquet"
)

// Kinds of pages, as parquet.thrift numbers them.
const (
	dataPageV1     = 0
	indexPage      = 1
	dictionaryPage = 2
	dataPageV2     = 3
)

// pageHeader is PageHeader of parquet.thrift, without its statistics.
type pageHeader struct {
	kind             int32
	size, compressed int32 // bytes of the body
	crc              uint32
	hasCRC           bool
	values           int32 // including nulls and empty lists
	encoding         parquet.Encoding
	defEncoding      parquet.Encoding // of version 1
	repEncoding      parquet.Encoding
	defBytes         int32 // of version 2
	repBytes         int32
	valuesPacked     bool // the values of a version 2 page are compressed
}

// parseHeader reads the header at the start of b and returns its length.
// errShort means that b ends within the header.
func parseHeader(b []byte) (h pageHeader, n int, err error) {
	h = pageHeader{kind: -1, size: -1, compressed: -1, values: -1, valuesPacked: true}
	t := &thrift{b: b}
	err = t.fields(func(id int16, kind byte) (bool, error) {
		if kind == thriftStruct {
			return h.parseBody(t, id)
		}
		return h.parseField(t, id, kind)
	})
	if err == nil {
		err = h.check()
	}
	return h, t.at, err
}

func (h *pageHeader) parseField(t *thrift, id int16, kind byte) (bool, error) {
	if kind <= thriftByte || kind > thriftI64 {
		return false, nil
	}
	var to *int32
	switch id {
	case 1:
		to = &h.kind
	case 2:
		to = &h.size
	case 3:
		to = &h.compressed
	case 4:
		crc, err := t.int32()
		h.crc, h.hasCRC = uint32(crc), true
		return true, err
	default:
		return false, nil
	}
	v, err := t.int32()
	*to = v
	return true, err
}

// parseBody reads the part of the header that belongs to the page's kind.
func (h *pageHeader) parseBody(t *thrift, part int16) (bool, error) {
	names := map[int16]map[int16]any{
		5: {1: &h.values, 2: &h.encoding, 3: &h.defEncoding, 4: &h.repEncoding},
		7: {1: &h.values, 2: &h.encoding},
		8: {1: &h.values, 4: &h.encoding, 5: &h.defBytes, 6: &h.repBytes},
	}[part]
	if names == nil {
		return false, nil
	}
	return true, t.fields(func(id int16, kind byte) (bool, error) {
		if part == 8 && id == 7 {
			h.valuesPacked = kind == thriftTrue
			return true, nil
		}
		if kind <= thriftByte || kind > thriftI64 || names[id] == nil {
			return false, nil
		}
		v, err := t.int32()
		switch to := names[id].(type) {
		case *int32:
			*to = v
		case *parquet.Encoding:
			*to = parquet.Encoding(v)
		}
		return true, err
	})
}

func (h *pageHeader) check() error {
	known := h.kind == dataPageV1 || h.kind == dictionaryPage || h.kind == dataPageV2
	switch {
	case h.kind < 0 || h.size < 0 || h.compressed < 0, known && h.values < 0,
		h.kind == dataPageV2 && (h.defBytes < 0 || h.repBytes < 0 || int64(h.defBytes)+int64(h.repBytes) > int64(min(h.size, h.compressed))):
		return fmt.Errorf("a page header that says kind %d, %d values, %d bytes", h.kind, h.values, h.compressed)
	}
	return nil
}
