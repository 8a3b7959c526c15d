package model

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"

	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"

	"tfos/internal/recordio"
)

// objectGraph is the key under which a TensorFlow 2 checkpoint keeps its object graph.
const objectGraph = "_CHECKPOINTABLE_OBJECT_GRAPH"

// Variable is a tensor that a checkpoint holds.
type Variable struct {
	Name  string
	Type  DType
	Shape []int64
	Bytes int64
}

// Variables lists what a checkpoint holds, sorted by name, from its .index file.
func Variables(prefix string) ([]Variable, error) {
	raw, err := os.ReadFile(prefix + indexSuffix)
	if err != nil {
		return nil, &ModelError{Path: prefix + indexSuffix, Problem: "cannot be read", Err: err}
	}
	var found []Variable
	sliced := map[string]int64{} // bytes of partitioned variables, summed over their slices' entries
	err = eachEntry(raw, func(key string, value []byte) error {
		if key == "" || key == objectGraph { // "": the header
			return nil
		}
		entry := &corepb.BundleEntryProto{}
		if err := proto.Unmarshal(value, entry); err != nil {
			return err
		}
		if rest, ok := strings.CutPrefix(key, "\x00"); ok {
			name, _, _ := strings.Cut(rest, "\x00\x01")
			sliced[name] += entry.GetSize()
			return nil
		}
		v := Variable{Name: key, Type: DType(entry.GetDtype()), Bytes: entry.GetSize()}
		for _, d := range entry.GetShape().GetDim() {
			v.Shape = append(v.Shape, d.GetSize())
		}
		found = append(found, v)
		return nil
	})
	for i, v := range found {
		found[i].Bytes += sliced[v.Name]
	}
	if err != nil {
		return nil, &ModelError{Path: prefix + indexSuffix, Problem: "it is damaged", Remedy: "copy the checkpoint again", Err: err}
	}
	return found, nil
}

// An index file is a table in LevelDB's format (tensorflow/core/lib/io/format.h):
// blocks of entries, an index block that lists these, and a footer that has the index
// block's handle.
const (
	footerBytes  = 48
	trailerBytes = 5 // after a block: 1 byte of compression, and a CRC of the block and that byte
	tableMagic   = 0xdb4775248b80fb57
)

var errTable = errors.New("it is no table of variables")

// eachEntry calls f with every entry of a table, in the order of keys. It stops at the
// first error of f and returns it.
func eachEntry(raw []byte, f func(key string, value []byte) error) error {
	if len(raw) < footerBytes {
		return errTable
	}
	footer := raw[len(raw)-footerBytes:]
	if binary.LittleEndian.Uint64(footer[footerBytes-8:]) != tableMagic {
		return errTable
	}
	handles := footer
	for range 2 { // skips offset and size of a block that is not used
		_, n := binary.Uvarint(handles)
		if n <= 0 {
			return errTable
		}
		handles = handles[n:]
	}
	index, err := block(raw, handles)
	if err != nil {
		return err
	}
	return eachInBlock(index, func(_ string, handle []byte) error {
		entries, err := block(raw, handle)
		if err != nil {
			return err
		}
		return eachInBlock(entries, f)
	})
}

// block returns the content of the block at a handle, and checks its checksum.
func block(raw, handle []byte) ([]byte, error) {
	offset, n := binary.Uvarint(handle)
	if n <= 0 {
		return nil, errTable
	}
	size, m := binary.Uvarint(handle[n:])
	end := uint64(len(raw) - footerBytes)
	if m <= 0 || offset > end || size > end || offset+size+trailerBytes > end {
		return nil, errTable
	}
	at := raw[offset:]
	if at[size] != 0 {
		return nil, fmt.Errorf("block at %d: compression %d is not known", offset, at[size])
	}
	masked := recordio.MaskedCRC(at[:size+1])
	if binary.LittleEndian.Uint32(at[size+1:]) != masked {
		return nil, fmt.Errorf("block at %d: its checksum is wrong", offset)
	}
	return at[:size], nil
}

// eachInBlock calls f with every entry of a block. A key shares its first bytes with
// the key before it. The block ends with a list of restart points, at which a key
// shares nothing.
func eachInBlock(content []byte, f func(key string, value []byte) error) error {
	if len(content) < 4 {
		return errTable
	}
	restarts := uint64(binary.LittleEndian.Uint32(content[len(content)-4:]))
	if restarts > uint64(len(content)-4)/4 {
		return errTable
	}
	left := content[:uint64(len(content))-4-4*restarts]
	key := []byte{}
	for len(left) > 0 {
		var sizes [3]uint64 // bytes of the key shared with the last one, its other bytes, bytes of the value
		for i := range sizes {
			n := 0
			if sizes[i], n = binary.Uvarint(left); n <= 0 {
				return errTable
			}
			left = left[n:]
		}
		shared, own, value := sizes[0], sizes[1], sizes[2]
		if shared > uint64(len(key)) || own > uint64(len(left)) || value > uint64(len(left))-own {
			return errTable
		}
		key = append(key[:shared], left[:own]...)
		if err := f(string(key), left[own:own+value]); err != nil {
			return err
		}
		left = left[own+value:]
	}
	return nil
}
