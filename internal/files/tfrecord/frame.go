package tfrecord

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"tfos/internal/files/codec"
	"tfos/internal/files/rowformat"
)

// A TFRecord record is framed as in tensorflow/core/lib/io/record_writer.h:
//
//	uint64 length, uint32 masked CRC-32C of the length,
//	byte   data[length], uint32 masked CRC-32C of the data
//
// All numbers are little-endian.
const (
	frameHeader = 12
	frameFooter = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// maskedCRC returns the CRC of b, masked by TensorFlow's crc32c::Mask.
func maskedCRC(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}

// frameLength returns the data length in a header, and false if the header's
// CRC does not match.
func frameLength(header []byte) (uint64, bool) {
	if maskedCRC(header[:8]) != binary.LittleEndian.Uint32(header[8:]) {
		return 0, false
	}
	return binary.LittleEndian.Uint64(header), true
}

// dataIntact checks the data's CRC of a complete frame.
func dataIntact(frame []byte) bool {
	data := frame[frameHeader : len(frame)-frameFooter]
	return maskedCRC(data) == binary.LittleEndian.Uint32(frame[len(frame)-frameFooter:])
}

// sniffFrames returns the Sniffer of TFRecord files. A file whose first
// record's length matches its CRC is not compressed. An unrecognized file is
// taken for a damaged plain file.
func sniffFrames(o codec.ReadOptions) rowformat.Sniffer {
	return func(head []byte) (string, error) {
		if beginsFrame(head) {
			return rowformat.Plain, nil
		}
		return rowformat.SniffPacked(head), o.RefuseHead(codec.TFRecord, head)
	}
}

// beginsFrame reports whether head begins with a record's header.
func beginsFrame(head []byte) bool {
	if len(head) < frameHeader {
		return false
	}
	_, ok := frameLength(head)
	return ok
}

// frames reads the records of a split.
type frames struct {
	*rowformat.Input
	at    int64 // offset where the last record began
	empty bool  // no record begins in the split
}

// next returns a record's data, which is valid until the next call. io.EOF
// means that no further record begins in the split.
//
// It checks both CRCs of each record, and the header after the split's last
// record. The next split's reader searches for an intact header, and would
// silently skip a damaged one.
func (f *frames) next() ([]byte, error) {
	if f.empty {
		return nil, io.EOF
	}
	f.at = f.Offset
	header, err := f.Peek(frameHeader)
	switch {
	case err == io.EOF && len(header) == 0:
		return nil, io.EOF
	case err == io.EOF:
		return nil, fmt.Errorf("truncated: %d bytes of a record's header", len(header))
	case err != nil:
		return nil, err
	}
	length, ok := frameLength(header)
	switch {
	case !ok:
		return nil, errors.New("damaged: the record's length does not match its CRC (or this is no TFRecord file)")
	case f.at >= f.End:
		return nil, io.EOF
	case length > rowformat.MaxUnit:
		return nil, fmt.Errorf("a record of %d bytes; %d at most", length, rowformat.MaxUnit)
	}
	frame, err := f.Peek(frameHeader + int(length) + frameFooter)
	switch {
	case err == io.EOF:
		return nil, fmt.Errorf("truncated: %d of the record's %d bytes", len(frame), frameHeader+length+frameFooter)
	case err != nil:
		return nil, err
	case !dataIntact(frame):
		return nil, errors.New("damaged: the record's data does not match its CRC")
	}
	f.Skip(len(frame))
	return frame[frameHeader : len(frame)-frameFooter], nil
}

// seekRecord moves from a split's beginning to the first record that begins in
// it.
//
// It accepts the first intact header whose data is intact, or which is followed
// by another intact header or by the file's end. So a record with damaged data
// is found and reported, and not skipped. Data that contains whole TFRecord
// records may be mistaken for records: read such files as one split.
func (f *frames) seekRecord() error {
	for f.Offset < f.End {
		header, err := f.Peek(frameHeader)
		if err == io.EOF {
			break // the reader of the split before checks the rest
		}
		if err != nil {
			return err
		}
		if length, ok := frameLength(header); ok {
			if begins, err := f.recordBegins(length); begins || err != nil {
				return err
			}
		}
		f.Skip(1)
	}
	f.empty = true
	return nil
}

// recordBegins reports whether the header at the current offset begins a
// record.
func (f *frames) recordBegins(length uint64) (bool, error) {
	if length > rowformat.MaxUnit {
		return true, nil
	}
	size := frameHeader + int(length) + frameFooter
	ahead, err := f.Peek(size + frameHeader)
	switch {
	case err != nil && err != io.EOF:
		return false, err
	case len(ahead) <= size: // the file's last record, complete or truncated
		return true, nil
	case dataIntact(ahead[:size]):
		return true, nil
	case len(ahead) < size+frameHeader:
		return false, nil
	}
	_, ok := frameLength(ahead[size:])
	return ok, nil
}

// frameWriter writes records.
type frameWriter struct {
	w      io.Writer
	header [frameHeader]byte
	footer [frameFooter]byte
}

func (f *frameWriter) write(data []byte) error {
	if len(data) > rowformat.MaxUnit {
		return fmt.Errorf("a record of %d bytes; %d at most", len(data), rowformat.MaxUnit)
	}
	binary.LittleEndian.PutUint64(f.header[:], uint64(len(data)))
	binary.LittleEndian.PutUint32(f.header[8:], maskedCRC(f.header[:8]))
	binary.LittleEndian.PutUint32(f.footer[:], maskedCRC(data))
	for _, part := range [][]byte{f.header[:], data, f.footer[:]} {
		if _, err := f.w.Write(part); err != nil {
			return err
		}
	}
	return nil
}
