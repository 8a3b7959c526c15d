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

// A TFRecord is framed as tensorflow/core/lib/io/record_writer.h says:
//
//	uint64 length, uint32 masked CRC-32C of the length,
//	byte   data[length], uint32 masked CRC-32C of the data
//
// all little-endian.
const (
	frameHeader = 12
	frameFooter = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// maskedCRC is TensorFlow's crc32c::Mask of b's CRC.
func maskedCRC(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}

// frameLength is the length that a header gives; false: its CRC fails.
func frameLength(header []byte) (uint64, bool) {
	if maskedCRC(header[:8]) != binary.LittleEndian.Uint32(header[8:]) {
		return 0, false
	}
	return binary.LittleEndian.Uint64(header), true
}

// dataIntact checks the data's CRC in a whole frame.
func dataIntact(frame []byte) bool {
	data := frame[frameHeader : len(frame)-frameFooter]
	return maskedCRC(data) == binary.LittleEndian.Uint32(frame[len(frame)-frameFooter:])
}

// sniffFrames is the sniffer of TFRecord files. A file that begins with a
// TFRecord, whose first length has its CRC, is not compressed; what looks like
// nothing is a damaged plain file.
func sniffFrames(o codec.ReadOptions) rowformat.Sniffer {
	return func(head []byte) (string, error) {
		if beginsFrame(head) {
			return rowformat.Plain, nil
		}
		return rowformat.SniffPacked(head), o.RefuseHead(codec.TFRecord, head)
	}
}

// beginsFrame says whether bytes begin with a record's header.
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
	at   int64 // where the last record began
	none bool  // no record begins in the split
}

// next returns a record's data, valid until the next call. io.EOF: no further
// record begins in the split. Both CRCs of each record are checked, and the
// header after the split's last record: the next split's reader looks for a
// header that checks, and would pass a damaged one without a word.
func (f *frames) next() ([]byte, error) {
	if f.none {
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

// sync moves from a split's beginning to the first record that begins in it.
//
// It takes the first header that checks and whose data checks, or is followed
// by another header or the file's end: a record with damaged data must be met
// and reported, not passed. Data that itself holds whole TFRecords can be
// mistaken for records: such files are read as one split.
func (f *frames) sync() error {
	for f.Offset < f.End {
		header, err := f.Peek(frameHeader)
		if err == io.EOF {
			break // what is left is for the split before to judge
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
	f.none = true
	return nil
}

// recordBegins says whether the header before us is one of a record.
func (f *frames) recordBegins(length uint64) (bool, error) {
	if length > rowformat.MaxUnit {
		return true, nil
	}
	size := frameHeader + int(length) + frameFooter
	ahead, err := f.Peek(size + frameHeader)
	switch {
	case err != nil && err != io.EOF:
		return false, err
	case len(ahead) <= size: // the file's last, whole or truncated
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
