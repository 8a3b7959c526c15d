package shortcircuit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// stream is what a data node sends to who reads a block, made of the block's files: an
// answer, and packets of data without checksums, which the stream has compared.
type stream struct {
	block    *replica
	pending  []byte // to be read before anything else
	buffer   []byte // of pending, if it is data
	sums     []byte // a buffer of checksums
	sequence int64
	at, end  int64 // of the data that no packet has yet
	left     int64 // of the current packet, without pending
}

// packet is the most data of a packet.
const packet = 1 << 30

// apart is how much is read at once for who wants less.
const apart = 32 << 10

// newStream makes the stream of an answer.
func newStream(block *replica, asked readRequest) *stream {
	return &stream{block: block, at: asked.offset, end: asked.size, pending: readAnswer(asked.offset)}
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(s.pending) == 0 && s.left == 0 {
		s.left = min(packet, s.end-s.at)
		s.pending = packetBegin(s.at, s.sequence, int32(s.left))
		s.sequence++
	}
	if len(s.pending) == 0 {
		if n, err = s.readData(p); n > 0 || err != nil {
			return n, err
		}
	}
	n = copy(p, s.pending)
	s.pending = s.pending[n:]
	return n, nil
}

// readData reads data of the current packet into p, as much as whole chunks fit. If none
// fits, it fills pending and returns 0.
func (s *stream) readData(p []byte) (int, error) {
	size, skip := s.block.sums.size, s.at%s.block.sums.size
	most := min(int64(len(p)), s.left)
	if s.at+most < s.end {
		most -= most % size
	}
	if skip == 0 && most > 0 {
		if err := s.readAt(p[:most], s.at); err != nil {
			return 0, err
		}
		s.at, s.left = s.at+most, s.left-most
		return int(most), nil
	}
	begin := s.at - skip
	whole := min(max(apart-apart%size, size), s.end-begin)
	if int64(cap(s.buffer)) < whole {
		s.buffer = make([]byte, whole)
	}
	s.buffer = s.buffer[:whole]
	if err := s.readAt(s.buffer, begin); err != nil {
		return 0, err
	}
	s.pending = s.buffer[skip:][:min(whole-skip, s.left)]
	s.at, s.left = s.at+int64(len(s.pending)), s.left-int64(len(s.pending))
	return 0, nil
}

// readAt reads whole chunks, or all to the block's end, and compares their checksums.
func (s *stream) readAt(p []byte, offset int64) error {
	if n, err := s.block.files.data.ReadAt(p, offset); n < len(p) {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	return s.compare(p, offset)
}

// compare compares the checksums of data, which begins with a chunk.
func (s *stream) compare(data []byte, offset int64) error {
	c := s.block.sums
	if c.table == nil {
		return nil
	}
	want := (int64(len(data)) + c.size - 1) / c.size * sumSize
	if int64(cap(s.sums)) < want {
		s.sums = make([]byte, want)
	}
	sums := s.sums[:want]
	if n, err := c.file.ReadAt(sums, metaHeader+offset/c.size*sumSize); int64(n) < want {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	for ; len(data) > 0; sums = sums[sumSize:] {
		one := data[:min(c.size, int64(len(data)))]
		if crc32.Checksum(one, c.table) != binary.BigEndian.Uint32(sums) {
			return errChecksum
		}
		data = data[len(one):]
	}
	return nil
}

// checksums are those of a block.
type checksums struct {
	file  io.ReaderAt
	table *crc32.Table // nil: none
	size  int64        // bytes of a checksum's chunk
}

// A file of checksums begins with a version, a kind and the size of chunks
// (BlockMetadataHeader).
const (
	metaVersion = 1
	metaHeader  = 2 + 1 + 4
	sumSize     = 4
	// mostChunk limits what one checksum is of: a chunk is read as a whole.
	mostChunk = 16 << 20
)

var errChecksum = errors.New("a checksum differs")

// open reads the begin of a file of checksums.
func (c *checksums) open(file io.ReaderAt, skip bool) error {
	var header [metaHeader]byte
	if _, err := file.ReadAt(header[:], 0); err != nil {
		return err
	}
	c.file, c.size = file, int64(binary.BigEndian.Uint32(header[3:]))
	kind := header[2]
	if found := binary.BigEndian.Uint16(header[:]); found != metaVersion {
		return fmt.Errorf("version %d of checksums", found)
	}
	switch {
	case skip || kind == checksumNull:
		c.size = chunk
	case c.size < 1 || c.size > mostChunk:
		return fmt.Errorf("checksums of %d bytes", c.size)
	case kind == checksumCRC32:
		c.table = crc32.IEEETable
	case kind == checksumCRC32C:
		c.table = crc32.MakeTable(crc32.Castagnoli)
	default:
		return fmt.Errorf("checksums of kind %d", kind)
	}
	return nil
}
