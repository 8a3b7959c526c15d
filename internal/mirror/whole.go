package mirror

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
	"strings"
)

// looksWhole reports whether a file's own format says that it is written to its end.
// known is false for formats that do not say it.
func (m *Mirror) looksWhole(name string) (whole, known bool) {
	file, err := os.Open(m.here(name))
	if err != nil {
		return false, true // it is gone
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return false, true
	}
	switch {
	case strings.HasSuffix(name, ".keras"):
		_, err := zip.NewReader(file, info.Size()) // its directory is at the end
		return err == nil, true
	case strings.HasSuffix(name, ".h5"), strings.HasSuffix(name, ".hdf5"):
		return hdf5End(file) == info.Size(), true
	case strings.HasSuffix(name, ".json") && info.Size() < largestJSON:
		text, err := io.ReadAll(file)
		return err == nil && json.Valid(text), true
	}
	return false, false
}

// largestJSON bounds the JSON files that are read.
const largestJSON = 1 << 20

// hdf5End returns the end of an HDF5 file as its superblock has it (HDF5 File Format
// Specification, level 0A). The library writes it when the file is closed. -1: there is
// none.
func hdf5End(file io.ReaderAt) int64 {
	block := make([]byte, 56)
	if n, _ := file.ReadAt(block, 0); n < 48 || !bytes.HasPrefix(block, []byte("\x89HDF\r\n\x1a\n")) {
		return -1
	}
	switch block[8] { // version
	case 0:
		return int64(binary.LittleEndian.Uint64(block[40:]))
	case 1:
		return int64(binary.LittleEndian.Uint64(block[44:]))
	case 2, 3:
		return int64(binary.LittleEndian.Uint64(block[28:]))
	}
	return -1
}
