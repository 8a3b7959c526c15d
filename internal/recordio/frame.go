package recordio

import (
	"encoding/binary"
	"hash/crc32"
	"io"
)

// Bytes of a frame before and after its data.
const (
	HeaderBytes = 12
	FooterBytes = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// MaskedCRC returns the CRC-32C of b, masked by TensorFlow's crc32c::Mask.
func MaskedCRC(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}

// DataLength returns the data length in a header, and false if the header's CRC does
// not match.
func DataLength(header []byte) (uint64, bool) {
	if MaskedCRC(header[:8]) != binary.LittleEndian.Uint32(header[8:]) {
		return 0, false
	}
	return binary.LittleEndian.Uint64(header), true
}

// DataIntact checks the data's CRC of a complete frame.
func DataIntact(frame []byte) bool {
	data := frame[HeaderBytes : len(frame)-FooterBytes]
	return MaskedCRC(data) == binary.LittleEndian.Uint32(frame[len(frame)-FooterBytes:])
}

// Writer writes frames to w.
type Writer struct {
	w      io.Writer
	header [HeaderBytes]byte
	footer [FooterBytes]byte
}

// NewWriter returns a Writer to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// WriteRecord writes the frame of a record. After an error, w may have a part of it.
func (f *Writer) WriteRecord(data []byte) error {
	binary.LittleEndian.PutUint64(f.header[:], uint64(len(data)))
	binary.LittleEndian.PutUint32(f.header[8:], MaskedCRC(f.header[:8]))
	binary.LittleEndian.PutUint32(f.footer[:], MaskedCRC(data))
	for _, part := range [][]byte{f.header[:], data, f.footer[:]} {
		if _, err := f.w.Write(part); err != nil {
			return err
		}
	}
	return nil
}
