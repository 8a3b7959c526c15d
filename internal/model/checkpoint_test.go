package model

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	shapepb "github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
)

// blockOf is a block of these entries; keys[i] shares its first two bytes with the
// one before where it can, as LevelDB writes it.
func blockOf(keys []string, values [][]byte) []byte {
	var out []byte
	last := ""
	for i, key := range keys {
		shared := 0
		for shared < 2 && shared < len(key) && shared < len(last) && key[shared] == last[shared] {
			shared++
		}
		for _, n := range []int{shared, len(key) - shared, len(values[i])} {
			out = binary.AppendUvarint(out, uint64(n))
		}
		out = append(append(out, key[shared:]...), values[i]...)
		last = key
	}
	out = binary.LittleEndian.AppendUint32(out, 0)  // the first restart point
	return binary.LittleEndian.AppendUint32(out, 1) // how many there are
}

// tableOf is a table of one block.
func tableOf(keys []string, values [][]byte) []byte {
	return tableAround(blockOf(keys, values), func(handle []byte) []byte { return handle })
}

// tableAround is a table of one block, whose checksum is right; find changes where
// the table says that the block is.
func tableAround(block []byte, find func(handle []byte) []byte) []byte {
	var file []byte
	add := func(content []byte) (handle []byte) {
		handle = binary.AppendUvarint(binary.AppendUvarint(nil, uint64(len(file))), uint64(len(content)))
		content = append(content, 0)
		sum := crc32.Checksum(content, crc32.MakeTable(crc32.Castagnoli))
		file = append(file, binary.LittleEndian.AppendUint32(content, (sum>>15|sum<<17)+0xa282ead8)...)
		return handle
	}
	entries := find(add(slices.Clone(block)))
	unused := add(blockOf(nil, nil))
	index := add(blockOf([]string{"~"}, [][]byte{entries}))
	footer := make([]byte, 40)
	copy(footer, append(unused, index...))
	return binary.LittleEndian.AppendUint64(append(file, footer...), 0xdb4775248b80fb57)
}

func entry(t *testing.T, d DType, bytes int64, dims ...int64) []byte {
	t.Helper()
	shape := &shapepb.TensorShapeProto{}
	for _, n := range dims {
		shape.Dim = append(shape.Dim, &shapepb.TensorShapeProto_Dim{Size: n})
	}
	b, err := proto.Marshal(&corepb.BundleEntryProto{Dtype: typespb.DataType(d), Shape: shape, Size: bytes})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestVariablesOfATable(t *testing.T) {
	raw := tableOf([]string{"", "\x00dense/kernel\x00\x01ab", "\x00dense/kernel\x00\x01cd", "_CHECKPOINTABLE_OBJECT_GRAPH", "dense/bias", "dense/kernel"},
		[][]byte{{8, 1}, entry(t, Float32, 24), entry(t, Float32, 24), entry(t, String, 7), entry(t, Float32, 12, 3), entry(t, Float32, 0, 4, 3)})
	prefix := filepath.Join(t.TempDir(), "m")
	read := func(content []byte) ([]Variable, error) {
		if err := os.WriteFile(prefix+".index", content, 0o600); err != nil {
			t.Fatal(err)
		}
		return Variables(prefix)
	}
	have, err := read(raw)
	if err != nil || len(have) != 2 || have[0].Name != "dense/bias" || have[1].Bytes != 48 || !slices.Equal(have[1].Shape, []int64{4, 3}) {
		t.Errorf("%+v, %v", have, err)
	}
	want := have
	for i := range raw {
		flipped := slices.Clone(raw)
		flipped[i] ^= 0x15
		var damaged *ModelError
		if have, err := read(flipped); !errors.As(err, &damaged) && !reflect.DeepEqual(have, want) {
			t.Errorf("byte %d is changed: %+v, %v", i, have, err)
		}
		if _, err := read(raw[:i]); err == nil {
			t.Errorf("%d of %d bytes are taken for an index", i, len(raw))
		}
	}
}

// TestIndexThatLies: what an index says of itself is checked before it is followed,
// whatever its checksums.
func TestIndexThatLies(t *testing.T) {
	prefix := filepath.Join(t.TempDir(), "m")
	keys, values := []string{"", "a", "ab"}, [][]byte{{8, 1}, entry(t, Float32, 4, 1), entry(t, Float32, 4, 1)}
	block := blockOf(keys, values)
	head := func(sizes ...uint64) (out []byte) { // of an entry, and no restart points
		for _, n := range sizes {
			out = binary.AppendUvarint(out, n)
		}
		return out
	}
	restarts := func(b []byte, n uint32) []byte { return binary.LittleEndian.AppendUint32(slices.Clone(b), n) }
	at := func(offset, size uint64) func([]byte) []byte {
		return func([]byte) []byte { return binary.AppendUvarint(binary.AppendUvarint(nil, offset), size) }
	}
	same := func(handle []byte) []byte { return handle }
	for name, test := range map[string]struct {
		block []byte
		find  func([]byte) []byte
		whole bool
	}{
		"whole":                         {block, same, true},
		"an empty block":                {restarts(nil, 0), same, true},
		"no restart points":             {restarts(nil, 0)[:3], same, false},
		"more restart points than room": {restarts(nil, 1), same, false},
		"as many as there is room":      {restarts(restarts(nil, 0), 1), same, true},
		"no whole sizes":                {restarts([]byte{0, 1}, 0), same, false},
		"an endless size":               {restarts(slices.Repeat([]byte{0xff}, 11), 0), same, false},
		"shares more than there was":    {restarts(head(1, 0, 0), 0), same, false},
		"a key beyond the end":          {restarts(append(head(0, 2, 0), 'a'), 0), same, false},
		"a value beyond the end":        {restarts(append(head(0, 1, 1), 'a'), 0), same, false},
		"a value beyond any end":        {restarts(append(head(0, 1, 1<<63), 'a'), 0), same, false},
		"a value that is no entry":      {blockOf([]string{"a"}, [][]byte{{0xff}}), same, false},
		"a block beyond the end":        {block, at(1<<20, 1), false},
		"a block that ends beyond it":   {block, at(0, 1<<20), false},
		"a block up to the footer":      {block, at(0, uint64(len(tableAround(block, same))-48)), false},
		"a block of any size":           {block, at(1<<63, 1<<63), false},
		"no size":                       {block, func([]byte) []byte { return []byte{0} }, false},
		"no place":                      {block, func([]byte) []byte { return nil }, false},
	} {
		if err := os.WriteFile(prefix+".index", tableAround(test.block, test.find), 0o600); err != nil {
			t.Fatal(err)
		}
		var damaged *ModelError
		if have, err := Variables(prefix); (err == nil) != test.whole || err != nil && !errors.As(err, &damaged) {
			t.Errorf("%s: %+v, %v", name, have, err)
		}
	}
}

func TestFindCheckpoint(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string, age time.Duration) {
		path := filepath.Join(root, name)
		err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600),
			os.Chtimes(path, time.Time{}, time.Now().Add(-age)))
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, folder := range []string{"told", "moved", "copied", "quoted", "lost", "silent"} {
		write(folder+"/m-1.index", "", 2*time.Hour)
		write(folder+"/it's-2.index", "", 3*time.Hour)
		write(folder+"/m-3.index", "", time.Hour)
	}
	write("told/checkpoint", "model_checkpoint_path: \"m-1\"\nall_model_checkpoint_paths: \"m-3\"\n", 0)
	write("moved/checkpoint", "model_checkpoint_path: \"/elsewhere/m-1\"\n", 0)
	write("copied/checkpoint", fmt.Sprintf("model_checkpoint_path: %q\n", root+"/told/m-1"), 0) // the original is there too
	write("apart/checkpoint", fmt.Sprintf("model_checkpoint_path: %q\n", root+"/told/m-1"), 0)
	write("quoted/checkpoint", `model_checkpoint_path: "it\'s-2"`, 0)
	write("lost/checkpoint", "model_checkpoint_path: \"m-9\"\n", 0)
	write("empty/x", "", 0)
	for path, want := range map[string]string{
		"told": "told/m-1", "moved": "moved/m-1", "copied": "copied/m-1", "apart": "told/m-1", "quoted": "quoted/it's-2", "lost": "lost/m-3", "silent": "silent/m-3",
		"told/m-3": "told/m-3", "told/m-3.index": "told/m-3", "told/m-3.meta": "told/m-3", "empty": "", "none": "", "told/m-9": "",
	} {
		prefix, err := FindCheckpoint(filepath.Join(root, path))
		var missing *ModelError
		if want == "" && !errors.As(err, &missing) || want != "" && prefix != filepath.Join(root, want) {
			t.Errorf("%s: %s, %v; want %s", path, prefix, err, want)
		}
	}
}

// TestOpenCheckpoint: a checkpoint of TensorFlow 1 has a graph beside it, which restores it.
func TestOpenCheckpoint(t *testing.T) {
	saver := &corepb.SaverDef{RestoreOpName: "save/restore_all", FilenameTensorName: "save/Const:0"}
	collections := map[string]*corepb.CollectionDef{
		"table_initializer": {Kind: &corepb.CollectionDef_NodeList_{NodeList: &corepb.CollectionDef_NodeList{Value: []string{"init_tables"}}}},
		"variables":         {Kind: &corepb.CollectionDef_NodeList_{NodeList: &corepb.CollectionDef_NodeList{Value: []string{"init_variables"}}}},
	}
	encode := func(m *corepb.MetaGraphDef, marshal func(proto.Message) ([]byte, error)) []byte {
		b, err := marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	whole := &corepb.MetaGraphDef{SaverDef: saver, CollectionDef: collections}
	for name, test := range map[string]struct {
		meta  []byte // nil: there is none
		fault string
	}{
		"binary":           {encode(whole, proto.Marshal), ""},
		"text":             {encode(whole, prototext.Marshal), ""},
		"no graph":         {nil, ""},
		"damaged":          {[]byte("\xff\xff\xff"), "it is damaged, or no graph"},
		"without a saver":  {encode(&corepb.MetaGraphDef{CollectionDef: collections}, proto.Marshal), "no operation that restores variables"},
		"without restore":  {encode(&corepb.MetaGraphDef{SaverDef: &corepb.SaverDef{FilenameTensorName: "c:0"}}, proto.Marshal), "no operation that restores variables"},
		"without a tensor": {encode(&corepb.MetaGraphDef{SaverDef: &corepb.SaverDef{RestoreOpName: "r"}}, proto.Marshal), "no operation that restores variables"},
	} {
		prefix := filepath.Join(t.TempDir(), "m")
		if err := os.WriteFile(prefix+".index", tableOf([]string{""}, [][]byte{{8, 1}}), 0o600); err != nil {
			t.Fatal(err)
		}
		if test.meta != nil {
			if err := os.WriteFile(prefix+".meta", test.meta, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		have, err := OpenCheckpoint(prefix)
		var fault *ModelError
		switch {
		case test.meta == nil || test.fault != "":
			if !errors.As(err, &fault) || !strings.Contains(err.Error(), test.fault) {
				t.Errorf("%s: %v, want %q", name, err, test.fault)
			}
		case err != nil || have.Prefix != prefix || !slices.Equal(have.initializers(), []string{"init_tables"}):
			t.Errorf("%s: %+v, %v", name, have, err)
		}
	}
	var fault *ModelError
	if have, err := OpenCheckpoint(filepath.Join(t.TempDir(), "none")); !errors.As(err, &fault) {
		t.Errorf("%+v, %v", have, err)
	}
	if have, err := Variables(filepath.Join(t.TempDir(), "none")); !errors.As(err, &fault) || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("%+v, %v", have, err)
	}
}
