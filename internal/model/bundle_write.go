package model

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"

	versionspb "github.com/wamuir/graft/tensorflow/core/framework/versions_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"

	"tfos/internal/recordio"
)

// Values are a checkpoint to be written: its index file, and its only data file as
// pieces of other files, in their order.
type Values struct {
	Index []byte
	Data  []Piece
}

// Piece is a part of a file.
type Piece struct {
	Path         string
	Offset, Size int64
}

// valuesWriter collects the values of a checkpoint.
type valuesWriter struct {
	entries map[string]*corepb.BundleEntryProto
	data    []Piece
	size    int64
	offsets map[Piece]int64 // keys may share a value
}

func newValuesWriter() *valuesWriter {
	return &valuesWriter{entries: map[string]*corepb.BundleEntryProto{}, offsets: map[Piece]int64{}}
}

// copyValue adds the value under the key at of another checkpoint, under key. A value
// that is stored in slices stays so.
func (w *valuesWriter) copyValue(key string, from *bundle, at string) {
	if len(from.entries[at].GetSlices()) == 0 {
		w.copyEntry(key, from, from.entries[at])
		return
	}
	w.entries[key] = from.entries[at] // it says which slices there are
	for _, slice := range slices.Sorted(maps.Keys(from.entries)) {
		if rest, is := strings.CutPrefix(slice, sliceKey(at)); is {
			w.copyEntry(sliceKey(key)+rest, from, from.entries[slice])
		}
	}
}

// sliceKey is the beginning of the keys of a value's slices: TensorFlow writes 0 and the
// value's key, in a code that keeps the order of texts
// (tensorflow/core/util/saved_tensor_slice_util.h).
func sliceKey(key string) string { return "\x00" + key + "\x00\x01" }

// copyEntry adds a value of another checkpoint under key. Type, shape and checksum are
// those of the value's entry there.
func (w *valuesWriter) copyEntry(key string, from *bundle, entry *corepb.BundleEntryProto) {
	p := Piece{Path: from.dataFile(entry.GetShardId()), Offset: entry.GetOffset(), Size: entry.GetSize()}
	offset, known := w.offsets[p]
	if !known {
		offset = w.size
		w.offsets[p] = offset
		w.data = append(w.data, p)
		w.size += p.Size
	}
	copied := proto.CloneOf(entry)
	copied.ShardId, copied.Offset = 0, offset
	w.entries[key] = copied
}

// bundleVersion is the version of the format that the index names
// (kTensorBundleVersion of tensorflow/core/util/tensor_bundle/naming.h).
const bundleVersion = 1

// finish returns the checkpoint.
func (w *valuesWriter) finish() (*Values, error) {
	header := &corepb.BundleHeaderProto{NumShards: 1, Version: &versionspb.VersionDef{Producer: bundleVersion}}
	text, err := proto.Marshal(header)
	if err != nil {
		return nil, err
	}
	keys, values := []string{""}, [][]byte{text} // the header has the first key
	for _, key := range slices.Sorted(maps.Keys(w.entries)) {
		text, err := proto.Marshal(w.entries[key])
		if err != nil {
			return nil, err
		}
		keys, values = append(keys, key), append(values, text)
	}
	return &Values{Index: writeTable(keys, values), Data: w.data}, nil
}

// writeTable writes a table in LevelDB's format, which eachEntry reads. keys are
// sorted. The table has one block of entries.
func writeTable(keys []string, values [][]byte) []byte {
	var file []byte
	add := func(block []byte) (handle []byte) {
		handle = binary.AppendUvarint(binary.AppendUvarint(nil, uint64(len(file))), uint64(len(block)))
		block = append(block, 0) // not compressed
		file = binary.LittleEndian.AppendUint32(append(file, block...), recordio.MaskedCRC(block))
		return handle
	}
	entries := add(writeBlock(keys, values))
	meta := add(writeBlock(nil, nil))
	index := add(writeBlock(keys[len(keys)-1:], [][]byte{entries}))
	footer := make([]byte, footerBytes-8)
	copy(footer, append(meta, index...))
	return binary.LittleEndian.AppendUint64(append(file, footer...), tableMagic)
}

// restartInterval is the number of entries between two points at which a reader may
// begin to search.
const restartInterval = 16

// writeBlock writes a block whose keys share no bytes.
func writeBlock(keys []string, values [][]byte) []byte {
	var block []byte
	restarts := []uint32{0}
	for i, key := range keys {
		if i > 0 && i%restartInterval == 0 {
			restarts = append(restarts, uint32(len(block)))
		}
		for _, n := range []int{0, len(key), len(values[i])} {
			block = binary.AppendUvarint(block, uint64(n))
		}
		block = append(append(block, key...), values[i]...)
	}
	for _, at := range restarts {
		block = binary.LittleEndian.AppendUint32(block, at)
	}
	return binary.LittleEndian.AppendUint32(block, uint32(len(restarts)))
}
