package datanode

import (
	"encoding/binary"
	"fmt"
	"io"
)

// local is what a data node sends to who reads a block, made of the block's files: an
// answer, and packets of data, whose checksums it compares.
type local struct {
	block *replica

	pending []byte // to be read before anything else
	buffer  []byte // of pending, if it is data
	sums    []byte // a buffer of checksums
	at, end int64  // of the data that has not been read
	left    int64  // of the current packet, without pending
}

// packet is the most data of a packet.
const packet = 1 << 30

// apart is how much is read at once for who wants less.
const apart = 32 << 10

// newLocal answers a request.
func newLocal(block *replica, asked readRequest) *local {
	return &local{block: block, at: asked.offset, end: asked.size, pending: readAnswer(asked.offset, chunk)}
}

// Read implements io.Reader.
func (s *local) Read(p []byte) (n int, err error) {
	if len(s.pending) == 0 && s.left == 0 {
		s.left = min(packet, s.end-s.at)
		s.pending = packetBegin(s.at, int32(s.left))
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
func (s *local) readData(p []byte) (int, error) {
	size := s.block.sums.size
	skip := s.at % size
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
func (s *local) readAt(p []byte, offset int64) error {
	if err := readAll(s.block.files.data, p, offset); err != nil {
		return err
	}
	kind := s.block.sums
	want := kind.bytes(int64(len(p)))
	if int64(cap(s.sums)) < want {
		s.sums = make([]byte, want)
	}
	sums := s.sums[:want]
	if err := readAll(s.block.files.meta, sums, metaHeader+offset/kind.size*sumSize); err != nil {
		return err
	}
	if !kind.fit(p, sums) {
		return errChecksum
	}
	return nil
}

// readAll fills p, or fails.
func readAll(f io.ReaderAt, p []byte, offset int64) error {
	n, err := f.ReadAt(p, offset)
	switch {
	case n == len(p):
		return nil
	case err == io.EOF:
		return io.ErrUnexpectedEOF
	}
	return err
}

// A file of checksums begins with a version, a kind and the size of chunks
// (BlockMetadataHeader).
const (
	metaVersion = 1
	metaHeader  = 2 + 1 + 4
)

// readMeta reads the begin of a file of checksums.
func readMeta(file io.ReaderAt, skipChecksum bool) (checksums, error) {
	var header [metaHeader]byte
	if err := readAll(file, header[:], 0); err != nil {
		return checksums{}, err
	}
	if found := binary.BigEndian.Uint16(header[:]); found != metaVersion {
		return checksums{}, fmt.Errorf("version %d of checksums", found)
	}
	kind := uint64(header[2])
	if skipChecksum {
		kind = checksumNull
	}
	return newChecksums(kind, int64(binary.BigEndian.Uint32(header[3:])))
}
