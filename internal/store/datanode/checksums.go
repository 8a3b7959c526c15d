package datanode

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// checksums says what checksums a block has: one for each chunk of size bytes, and one for
// the rest.
type checksums struct {
	table *crc32.Table // nil: none
	size  int64
}

const (
	sumSize = 4
	// mostChunk limits what one checksum is of: a chunk is read as a whole.
	mostChunk = 16 << 20
)

var errChecksum = errors.New("a checksum differs")

// newChecksums returns the checksums of a kind (ChecksumTypeProto).
func newChecksums(kind uint64, size int64) (c checksums, err error) {
	switch {
	case kind == checksumNull:
		return checksums{size: chunk}, nil
	case size < 1 || size > mostChunk:
		return c, fmt.Errorf("checksums of %d bytes", size)
	case kind == checksumCRC32:
		return checksums{crc32.IEEETable, size}, nil
	case kind == checksumCRC32C:
		return checksums{crc32.MakeTable(crc32.Castagnoli), size}, nil
	}
	return c, fmt.Errorf("checksums of kind %d", kind)
}

// bytes is how many bytes of checksums so much data has.
func (c checksums) bytes(data int64) int64 {
	if c.table == nil {
		return 0
	}
	return (data + c.size - 1) / c.size * sumSize
}

// fit is whether sums are those of data, which begins with a chunk.
func (c checksums) fit(data, sums []byte) bool {
	for c.table != nil && len(data) > 0 {
		one := data[:min(c.size, int64(len(data)))]
		if crc32.Checksum(one, c.table) != binary.BigEndian.Uint32(sums) {
			return false
		}
		data, sums = data[len(one):], sums[sumSize:]
	}
	return true
}
