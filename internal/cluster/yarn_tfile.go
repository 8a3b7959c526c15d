package cluster

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// A TFile (org.apache.hadoop.io.file.tfile) is what a NodeManager writes the logs of an
// application into (AggregatedLogFormat): a record for each container. Its key is the
// container's id. Its value has the container's files: name, length in digits, bytes.

// tfileMagic begins and ends a TFile.
var tfileMagic = []byte{0xd1, 0x11, 0xd3, 0x68, 0x91, 0xb5, 0xd7, 0xb6, 0x39, 0xdf, 0x41, 0x40, 0x92, 0xba, 0xe1, 0x50}

// Sizes of a TFile: of its last bytes (a place, a version, tfileMagic), and of the largest
// index that is read.
const (
	tfileTail  = 8 + 4 + 16
	tfileIndex = 16 << 20
)

// errNoTFile says that a file is not a TFile: YARN has other formats for logs.
var errNoTFile = errors.New("the file of logs is not a TFile")

// tailInTFile returns the last bytes, at most most, of a container's file. The error is
// io.EOF if the TFile has no such container, or the container no such file.
func tailInTFile(r io.ReaderAt, size int64, container, file string, most int64) ([]byte, error) {
	blocks, codec, err := tfileBlocks(r, size)
	if err != nil {
		return nil, err
	}
	for _, b := range blocks {
		s, err := b.open(r, codec)
		if err != nil {
			return nil, err
		}
		tail, err := s.tail(container, file, most)
		if err != io.EOF {
			return tail, err
		}
	}
	return nil, io.EOF
}

// tfileRegion is where a block is in the file.
type tfileRegion struct{ offset, packed, size int64 }

// tfileBlocks returns the blocks of records, and how they are compressed.
func tfileBlocks(r io.ReaderAt, size int64) ([]tfileRegion, string, error) {
	if size < tfileTail {
		return nil, "", errNoTFile
	}
	end := make([]byte, tfileTail)
	if _, err := r.ReadAt(end, size-tfileTail); err != nil && err != io.EOF {
		return nil, "", err
	}
	at := int64(binary.BigEndian.Uint64(end))
	if !bytes.Equal(end[12:], tfileMagic) || at < 0 || size-tfileTail-at > tfileIndex {
		return nil, "", errNoTFile
	}
	names := newTFileStream(io.NewSectionReader(r, at, size-tfileTail-at))
	for range names.count() {
		name, codec, region := names.text(), names.text(), names.region()
		if names.err != nil || name != "data:BCFile.index" {
			continue
		}
		index, err := region.open(r, codec)
		if err != nil {
			return nil, "", err
		}
		codec = index.text()
		var blocks []tfileRegion
		for range index.count() {
			blocks = append(blocks, index.region())
		}
		return blocks, codec, index.err
	}
	return nil, "", errors.Join(errNoTFile, names.err)
}

// open begins to read a block.
func (b tfileRegion) open(r io.ReaderAt, codec string) (*tfileStream, error) {
	section := io.NewSectionReader(r, b.offset, b.packed)
	switch codec {
	case "none":
		return newTFileStream(section), nil
	case "gz": // without the header of gzip
		unpacked, err := zlib.NewReader(bufio.NewReader(section))
		if err != nil {
			return nil, err
		}
		return &tfileStream{Reader: bufio.NewReader(unpacked)}, nil
	}
	return nil, fmt.Errorf("the file of logs is compressed by %s", codec)
}

// tfileStream reads a block or an index. Its first error stays in err, and what is read
// after an error is empty.
type tfileStream struct {
	*bufio.Reader
	section *io.SectionReader // in which bytes can be passed over; nil: they must be read
	err     error
}

func newTFileStream(section *io.SectionReader) *tfileStream {
	return &tfileStream{bufio.NewReader(section), section, nil}
}

// note keeps the first error. The end in the middle of something is no io.EOF.
func (s *tfileStream) note(err error) {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if s.err == nil {
		s.err = err
	}
}

// bytes reads n bytes.
func (s *tfileStream) bytes(n int64) []byte {
	if n < 0 || n > tfileIndex {
		s.note(fmt.Errorf("%d bytes in a file of logs", n))
	}
	if s.err != nil {
		return nil
	}
	p := make([]byte, n)
	_, err := io.ReadFull(s, p)
	s.note(err)
	return p
}

// skip passes over n bytes.
func (s *tfileStream) skip(n int64) {
	buffered := min(n, int64(s.Buffered()))
	_, _ = s.Discard(int(buffered))
	n -= buffered
	switch {
	case n == 0 || s.err != nil:
	case s.section != nil:
		_, err := s.section.Seek(n, io.SeekCurrent)
		s.note(err)
		s.Reset(s.section)
	default:
		_, err := io.CopyN(io.Discard, s, n)
		s.note(err)
	}
}

// number reads a number of 1 to 9 bytes (org.apache.hadoop.io.file.tfile.Utils.readVLong).
func (s *tfileStream) number() int64 {
	first := s.bytes(1)
	if s.err != nil {
		return 0
	}
	n := int64(int8(first[0]))
	more, high := int64(0), n // bytes that follow, and the bits before them
	switch {
	case n >= -32:
		return n
	case n >= -72:
		more, high = 1, n+52
	case n >= -104:
		more, high = 2, n+88
	case n >= -120:
		more, high = 3, n+112
	default: // n+129 bytes, with their sign
		rest := s.bytes(n + 129)
		if s.err != nil {
			return 0
		}
		value := int64(int8(rest[0]))
		for _, b := range rest[1:] {
			value = value<<8 | int64(b)
		}
		return value
	}
	for _, b := range s.bytes(more) {
		high = high<<8 | int64(b)
	}
	return high
}

// count reads how many entries follow.
func (s *tfileStream) count() int {
	n := s.number()
	if n < 0 || n > tfileIndex {
		s.note(fmt.Errorf("%d entries in an index of a file of logs", n))
		return 0
	}
	return int(n)
}

func (s *tfileStream) text() string { return string(s.bytes(s.number())) }

func (s *tfileStream) region() tfileRegion {
	return tfileRegion{s.number(), s.number(), s.number()}
}

// tail looks through the records of a block.
func (s *tfileStream) tail(container, file string, most int64) ([]byte, error) {
	for {
		if _, err := s.Peek(1); err != nil {
			return nil, err // io.EOF: no more records
		}
		key, err := javaText(bytes.NewReader(s.bytes(s.number())))
		v := &tfileValue{s: s}
		if err == nil && key == container {
			return v.tail(file, most)
		}
		for v.begin() {
			v.skip(v.left)
		}
		if s.err != nil {
			return nil, s.err
		}
	}
}

// javaText reads a text of DataOutput.writeUTF.
func javaText(r io.Reader) (string, error) {
	var size uint16
	if err := binary.Read(r, binary.BigEndian, &size); err != nil {
		return "", err
	}
	text := make([]byte, size)
	_, err := io.ReadFull(r, text)
	return string(text), err
}

// tfileValue is the value of a record: chunks, each behind its length, which is negative
// where another chunk follows.
type tfileValue struct {
	s    *tfileStream
	left int64 // of the chunk
	last bool
}

// begin reports whether there are more bytes.
func (v *tfileValue) begin() bool {
	for v.left == 0 && !v.last && v.s.err == nil {
		if v.left = v.s.number(); v.left < 0 {
			v.left = -v.left
		} else {
			v.last = true
		}
	}
	return v.left > 0 && v.s.err == nil
}

func (v *tfileValue) Read(p []byte) (int, error) {
	switch more := v.begin(); {
	case v.s.err != nil:
		return 0, v.s.err
	case !more:
		return 0, io.EOF
	}
	n, err := v.s.Read(p[:min(int64(len(p)), v.left)])
	v.left -= int64(n)
	return n, err
}

func (v *tfileValue) skip(n int64) {
	for n > 0 && v.begin() {
		part := min(n, v.left)
		v.s.skip(part)
		v.left -= part
		n -= part
	}
}

// tail returns the last bytes of a file in the value, or io.EOF.
func (v *tfileValue) tail(file string, most int64) ([]byte, error) {
	for v.begin() {
		name, nameErr := javaText(v)
		digits, digitsErr := javaText(v)
		size, err := strconv.ParseInt(digits, 10, 64)
		if err = errors.Join(nameErr, digitsErr, err); err != nil {
			return nil, err
		}
		if name != file {
			v.skip(size)
			continue
		}
		v.skip(max(0, size-most))
		tail, err := io.ReadAll(io.LimitReader(v, min(size, most)))
		if err == nil && int64(len(tail)) < min(size, most) {
			err = io.ErrUnexpectedEOF
		}
		return tail, err
	}
	if v.s.err != nil {
		return nil, v.s.err
	}
	return nil, io.EOF
}
