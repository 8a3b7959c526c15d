package files

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/flight"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
)

// rowGroupBytes is the compressed size after which a row group ends; it is held
// in memory until then. rowGroupRows bounds groups of small rows.
const (
	rowGroupBytes = 64 << 20
	rowGroupRows  = 1 << 20
)

var parquetCompression = map[string]compress.Compression{
	"": compress.Codecs.Snappy, "snappy": compress.Codecs.Snappy, "none": compress.Codecs.Uncompressed,
	"gzip": compress.Codecs.Gzip, "zstd": compress.Codecs.Zstd, "brotli": compress.Codecs.Brotli,
}

func (parquetCodec) create(w io.Writer, schema *arrow.Schema, o WriteOptions) (Writer, error) {
	if err := noOptions(Parquet, o.Options); err != nil {
		return nil, err
	}
	codec, ok := parquetCompression[o.Compression]
	if !ok {
		return nil, fmt.Errorf("files: parquet: no compression %q; there are none, snappy, gzip, zstd and brotli", o.Compression)
	}
	properties := []parquet.WriterProperty{
		parquet.WithCompression(codec),
		parquet.WithCreatedBy("tfos"),
		parquet.WithMaxRowGroupLength(rowGroupRows),
		// In pages of version 1 the library copies all levels for each run of
		// them: 100,000 rows of 784 floats take ten times as long.
		parquet.WithDataPageVersion(parquet.DataPageV2),
	}
	props := parquet.NewWriterProperties(properties...)
	// The library's writer does not give back all that it takes: it has Go's
	// memory, and o.Memory is for what is made here.
	p := &parquetWriter{buffer: bufio.NewWriterSize(w, 1<<20), mem: o.Memory, schema: storedSchema(schema)}
	err := guarded(func() (err error) {
		if p.w, err = pqarrow.NewFileWriter(p.schema, notCloser{p.buffer}, props, pqarrow.DefaultWriterProps()); err != nil {
			return err
		}
		// With it pyarrow reads the types that were written.
		stored := base64.StdEncoding.EncodeToString(flight.SerializeSchema(schema, o.Memory))
		return p.w.AppendKeyValueMetadata("ARROW:schema", stored)
	})
	if err != nil {
		return nil, fmt.Errorf("files: parquet: %w: %w", ErrType, err)
	}
	return p, nil
}

// notCloser keeps the library from closing what it writes to.
type notCloser struct{ io.Writer }

// parquetWriter gives the library columns of types that it writes as they are
// meant: fixed-size lists as lists, which is all that parquet has, since the
// library refuses nulls among them; and timestamps under other time zones, since
// it takes those without one for instants, and those of any but UTC for local.
type parquetWriter struct {
	w      *pqarrow.FileWriter
	buffer *bufio.Writer
	mem    memory.Allocator
	schema *arrow.Schema
}

func storedSchema(schema *arrow.Schema) *arrow.Schema {
	fields := slices.Clone(schema.Fields())
	for i, f := range fields {
		if fixed, ok := f.Type.(*arrow.FixedSizeListType); ok {
			f.Type = arrow.ListOfField(fixed.ElemField())
		}
		fields[i].Type = storedType(f.Type)
	}
	return arrow.NewSchema(fields, nil)
}

// storedType has the layout of t, and other time zones.
func storedType(t arrow.DataType) arrow.DataType {
	stored := func(f arrow.Field) arrow.Field {
		f.Type = storedType(f.Type)
		return f
	}
	switch t := t.(type) {
	case *arrow.TimestampType:
		if t.TimeZone == "" {
			return &arrow.TimestampType{Unit: t.Unit, TimeZone: "local"}
		}
		return &arrow.TimestampType{Unit: t.Unit, TimeZone: "UTC"}
	case *arrow.ListType:
		return arrow.ListOfField(stored(t.ElemField()))
	case *arrow.LargeListType:
		return arrow.LargeListOfField(stored(t.ElemField()))
	case *arrow.FixedSizeListType:
		return arrow.FixedSizeListOfField(t.Len(), stored(t.ElemField()))
	case *arrow.MapType:
		m := arrow.MapOf(storedType(t.KeyType()), storedType(t.ItemType()))
		m.SetItemNullable(t.ItemField().Nullable)
		return m
	case *arrow.StructType:
		fields := make([]arrow.Field, t.NumFields())
		for i := range fields {
			fields[i] = stored(t.Field(i))
		}
		return arrow.StructOf(fields...)
	}
	return t
}

// relabel is the same data under a type of the same layout; the caller's.
func relabel(d arrow.ArrayData, t arrow.DataType) arrow.ArrayData {
	if t.ID() == arrow.DICTIONARY {
		d.Retain()
		return d
	}
	var types []arrow.DataType
	switch t := t.(type) {
	case *arrow.StructType:
		for _, f := range t.Fields() {
			types = append(types, f.Type)
		}
	case *arrow.MapType:
		types = []arrow.DataType{t.Elem()}
	case arrow.ListLikeType:
		types = []arrow.DataType{t.Elem()}
	}
	var children []arrow.ArrayData
	for i, c := range d.Children() {
		child := relabel(c, types[i])
		defer child.Release()
		children = append(children, child)
	}
	return array.NewData(t, d.Len(), d.Buffers(), children, d.NullN(), d.Offset())
}

func (p *parquetWriter) Write(record arrow.Record) error {
	err := guarded(func() error {
		if p.w.RowGroupTotalCompressedBytes() >= rowGroupBytes {
			p.w.NewBufferedRowGroup()
		}
		stored, err := p.stored(record)
		if err != nil {
			return err
		}
		defer stored.Release()
		return p.w.WriteBuffered(stored)
	})
	if err != nil {
		return fmt.Errorf("files: write parquet: %w", err)
	}
	return nil
}

// stored is the record with the writer's schema.
func (p *parquetWriter) stored(record arrow.Record) (arrow.Record, error) {
	columns := make([]arrow.Array, 0, record.NumCols())
	defer func() { releaseArrays(columns) }()
	for i, c := range record.Columns() {
		data := c.Data()
		if c.DataType().ID() == arrow.FIXED_SIZE_LIST {
			lists, err := dense(p.mem, c.(*array.FixedSizeList))
			if err != nil {
				return nil, err
			}
			defer lists.Release()
			data = lists.Data()
		}
		data = relabel(data, p.schema.Field(i).Type)
		columns = append(columns, array.MakeFromData(data))
		data.Release()
	}
	return array.NewRecord(p.schema, columns, record.NumRows()), nil
}

// dense makes lists of fixed-size lists, without the values of null ones.
func dense(mem memory.Allocator, a *array.FixedSizeList) (arrow.Array, error) {
	size := int(a.DataType().(*arrow.FixedSizeListType).Len())
	offsets := growing{mem: mem}
	defer offsets.release()
	appendInt32(&offsets, 0)
	var parts []arrow.Array
	defer func() { releaseArrays(parts) }()
	filled := 0
	for i := 0; i < a.Len(); {
		from := i
		for i < a.Len() && a.IsNull(i) == a.IsNull(from) {
			if a.IsValid(i) {
				filled += size
			}
			appendInt32(&offsets, int32(filled))
			i++
		}
		if a.IsValid(from) {
			begin, _ := a.ValueOffsets(from)
			parts = append(parts, array.NewSlice(a.ListValues(), begin, begin+int64((i-from)*size)))
		}
	}
	if len(parts) == 0 {
		parts = append(parts, array.NewSlice(a.ListValues(), 0, 0))
	}
	values := parts[0]
	if len(parts) > 1 {
		var err error
		if values, err = array.Concatenate(parts, mem); err != nil {
			return nil, err
		}
		defer values.Release()
	}
	values.Data().Retain()
	elem := a.DataType().(*arrow.FixedSizeListType).ElemField()
	data := arrayData(arrow.ListOfField(elem), a.Len(), a.NullN(), []arrow.ArrayData{values.Data()}, validityOf(mem, a), offsets.give())
	defer data.Release()
	return array.MakeFromData(data), nil
}

func (p *parquetWriter) Close() error {
	err := guarded(p.w.Close)
	if err == nil {
		err = p.buffer.Flush()
	}
	if err != nil {
		return fmt.Errorf("files: write parquet: %w", err)
	}
	return nil
}
