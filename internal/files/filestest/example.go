package filestest

import (
	"bytes"
	"errors"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	examplepb "github.com/wamuir/graft/tensorflow/core/example/example_protos_go_proto"
	"google.golang.org/protobuf/proto"

	"tfos/internal/files"
)

func FloatFeature(v ...float32) *examplepb.Feature {
	return &examplepb.Feature{Kind: &examplepb.Feature_FloatList{FloatList: &examplepb.FloatList{Value: v}}}
}

func IntFeature(v ...int64) *examplepb.Feature {
	return &examplepb.Feature{Kind: &examplepb.Feature_Int64List{Int64List: &examplepb.Int64List{Value: v}}}
}

func BytesFeature(v ...string) *examplepb.Feature {
	list := &examplepb.BytesList{}
	for _, s := range v {
		list.Value = append(list.Value, []byte(s))
	}
	return &examplepb.Feature{Kind: &examplepb.Feature_BytesList{BytesList: list}}
}

type Features map[string]*examplepb.Feature

// Encoded encodes an Example with protobuf's own library.
func Encoded(t testing.TB, f Features) []byte {
	t.Helper()
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(&examplepb.Example{Features: &examplepb.Features{Feature: f}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Framed returns a TFRecord file of records.
func Framed(t testing.TB, records ...[]byte) []byte {
	t.Helper()
	schema := SchemaOf(Nullable("byteArray", arrow.BinaryTypes.Binary))
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for _, r := range records {
		b.Field(0).(*array.BinaryBuilder).Append(r)
	}
	rows := b.NewRecord()
	defer rows.Release()
	var out bytes.Buffer
	w, err := files.NewWriter(files.TFRecord, &out, schema, files.WriteOptions{Options: map[string]string{"recordType": "ByteArray"}})
	if err == nil {
		err = errors.Join(w.Write(rows), w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
