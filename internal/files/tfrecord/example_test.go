package tfrecord_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"unicode/utf8"

	examplepb "github.com/wamuir/graft/tensorflow/core/example/example_protos_go_proto"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"tfos/internal/files"
	"tfos/internal/files/filestest"
	"tfos/internal/files/tfrecord"
)

// parsed reads an Example with this package's parser.
func parsed(b []byte) (filestest.Features, error) {
	got := filestest.Features{}
	err := tfrecord.EachFeature(b, func(p tfrecord.Part, name, feature []byte) error {
		if p != tfrecord.ContextPart {
			return nil
		}
		k, list, err := tfrecord.FeatureList(feature)
		if err != nil {
			return err
		}
		f := &examplepb.Feature{}
		switch k {
		case tfrecord.FloatKind:
			f = filestest.FloatFeature()
			_, err = tfrecord.WalkFloats(list, func(run []byte) error {
				for ; len(run) > 0; run = run[4:] {
					v, _ := protowire.ConsumeFixed32(run)
					f.GetFloatList().Value = append(f.GetFloatList().Value, float32FromBits(v))
				}
				return nil
			})
		case tfrecord.Int64Kind:
			f = filestest.IntFeature()
			_, err = tfrecord.WalkInts(list, func(v int64) error {
				f.GetInt64List().Value = append(f.GetInt64List().Value, v)
				return nil
			})
		case tfrecord.BytesKind:
			f = filestest.BytesFeature()
			_, err = tfrecord.WalkBytes(list, func(v []byte) error {
				f.GetBytesList().Value = append(f.GetBytesList().Value, v)
				return nil
			})
		}
		got[string(name)] = f
		return err
	})
	return got, err
}

// joined concatenates the parts of a message.
func joined(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func field(number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), value)
}

func entry(name string, feature []byte) []byte {
	return field(1, joined(field(1, []byte(name)), field(2, feature)))
}

// unusual returns encodings that protobuf allows and its libraries do not
// write.
func unusual(t testing.TB) [][]byte {
	one, two := filestest.Encoded(t, filestest.Features{"a": filestest.IntFeature(1)}), filestest.Encoded(t, filestest.Features{"a": filestest.FloatFeature(2), "b": filestest.IntFeature(3)})
	number := func(number protowire.Number, v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), v)
	}
	fixed := func(number protowire.Number, v uint32) []byte {
		return protowire.AppendFixed32(protowire.AppendTag(nil, number, protowire.Fixed32Type), v)
	}
	return [][]byte{
		joined(one, two),
		field(1, joined(entry("a", field(3, joined(number(1, 5), field(1, []byte{6, 0x80, 1}), number(1, 7)))))),
		field(1, joined(entry("a", field(2, joined(fixed(1, 0x3f800000), field(1, []byte{0, 0, 0, 64})))))),
		field(1, joined(entry("a", joined(field(3, number(1, 1)), field(3, number(1, 2)))))),
		field(1, joined(entry("a", joined(field(3, number(1, 1)), field(2, fixed(1, 9)), field(3, number(1, 2)))))),
		field(1, field(1, joined(field(2, field(3, number(1, 1))), field(1, []byte("x")), field(2, field(3, number(1, 4))), field(1, []byte("a"))))),
		field(1, joined(number(1, 3), entry("a", joined(number(3, 1), field(9, []byte("?")), field(3, joined(fixed(1, 1), number(2, 2), number(1, 8))))))),
		field(1, joined(field(1, nil), entry("b", nil), field(1, field(1, []byte("c"))))),
		joined(number(7, 1), field(1, joined(entry("a", field(1, joined(field(1, []byte("v")), field(1, nil))))))),
	}
}

// The parser agrees with protobuf's library for any bytes.
func FuzzExample(f *testing.F) {
	f.Add(filestest.Encoded(f, filestest.Features{"x": filestest.FloatFeature(1, 2.5), "label": filestest.IntFeature(-1, 300), "s": filestest.BytesFeature("a", ""), "empty": filestest.FloatFeature(), "none": {}}))
	for _, b := range unusual(f) {
		f.Add(b)
	}
	f.Add([]byte{10, 200})
	f.Fuzz(func(t *testing.T, b []byte) {
		var want examplepb.Example
		wantErr := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(b, &want)
		got, err := parsed(b)
		for name := range got {
			if !utf8.ValidString(name) {
				return // protobuf refuses such a key; this parser ignores it
			}
		}
		if (err != nil) != (wantErr != nil) {
			if err == nil && errors.Is(wantErr, proto.Error) {
				// protobuf also parses unknown fields and overwritten features,
				// which this parser skips.
				return
			}
			t.Fatalf("%x: error %v, protobuf's %v", b, err, wantErr)
		}
		if err != nil {
			return
		}
		if !proto.Equal(&examplepb.Features{Feature: got}, &examplepb.Features{Feature: want.GetFeatures().GetFeature()}) {
			t.Fatalf("%x:\n%v\nprotobuf's\n%v", b, got, want.GetFeatures())
		}
	})
}

func TestExampleUnusualEncodings(t *testing.T) {
	for i, b := range unusual(t) {
		var want examplepb.Example
		if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(b, &want); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		got, err := parsed(b)
		if err != nil || !proto.Equal(&examplepb.Features{Feature: got}, want.GetFeatures()) {
			t.Errorf("%d: %v (%v), protobuf's %v", i, got, err, want.GetFeatures())
		}
	}
}

func TestExampleKeysAreSorted(t *testing.T) {
	var names []string
	rows := examplesOf(t, filestest.MustWrite(t, files.TFRecord, filestest.SchemaOf(int8s("c"), int8s("a"), int8s("b")), files.WriteOptions{}, `[{"a":1,"b":2,"c":3}]`))
	err := tfrecord.EachFeature(rows[0], func(_ tfrecord.Part, name, _ []byte) error {
		names = append(names, string(name))
		return nil
	})
	if err != nil || !slices.Equal(names, []string{"a", "b", "c"}) {
		t.Errorf("features %v (%v), want a b c", names, err)
	}
}
