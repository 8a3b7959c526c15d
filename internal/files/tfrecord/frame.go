package tfrecord

import (
	"errors"
	"fmt"
	"io"

	"tfos/internal/files/codec"
	"tfos/internal/files/rowformat"
	"tfos/internal/recordio"
)

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
	if len(head) < recordio.HeaderBytes {
		return false
	}
	_, ok := recordio.DataLength(head)
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
	header, err := f.Peek(recordio.HeaderBytes)
	switch {
	case err == io.EOF && len(header) == 0:
		return nil, io.EOF
	case err == io.EOF:
		return nil, fmt.Errorf("truncated: %d bytes of a record's header", len(header))
	case err != nil:
		return nil, err
	}
	length, ok := recordio.DataLength(header)
	switch {
	case !ok:
		return nil, errors.New("damaged: the record's length does not match its CRC (or this is no TFRecord file)")
	case f.at >= f.End:
		return nil, io.EOF
	case length > rowformat.MaxUnit:
		return nil, fmt.Errorf("a record of %d bytes; %d at most", length, rowformat.MaxUnit)
	}
	frame, err := f.Peek(recordio.HeaderBytes + int(length) + recordio.FooterBytes)
	switch {
	case err == io.EOF:
		return nil, fmt.Errorf("truncated: %d of the record's %d bytes", len(frame), recordio.HeaderBytes+length+recordio.FooterBytes)
	case err != nil:
		return nil, err
	case !recordio.DataIntact(frame):
		return nil, errors.New("damaged: the record's data does not match its CRC")
	}
	f.Skip(len(frame))
	return frame[recordio.HeaderBytes : len(frame)-recordio.FooterBytes], nil
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
		header, err := f.Peek(recordio.HeaderBytes)
		if err == io.EOF {
			break // the reader of the split before checks the rest
		}
		if err != nil {
			return err
		}
		if length, ok := recordio.DataLength(header); ok {
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
	size := recordio.HeaderBytes + int(length) + recordio.FooterBytes
	ahead, err := f.Peek(size + recordio.HeaderBytes)
	switch {
	case err != nil && err != io.EOF:
		return false, err
	case len(ahead) <= size: // the file's last record, complete or truncated
		return true, nil
	case recordio.DataIntact(ahead[:size]):
		return true, nil
	case len(ahead) < size+recordio.HeaderBytes:
		return false, nil
	}
	_, ok := recordio.DataLength(ahead[size:])
	return ok, nil
}

// frameWriter writes records.
type frameWriter struct{ *recordio.Writer }

func (f frameWriter) write(data []byte) error {
	if len(data) > rowformat.MaxUnit {
		return fmt.Errorf("a record of %d bytes; %d at most", len(data), rowformat.MaxUnit)
	}
	return f.WriteRecord(data)
}
