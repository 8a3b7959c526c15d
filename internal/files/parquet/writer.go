package parquet

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

	"tfos/internal/files/arrays"
	"tfos/internal/files/codec"
)

// RowGroupBytes is the compressed size after which a row group ends. The row
// group is in memory until then. rowGroupRows bounds groups of small rows.
const (
	RowGroupBytes = 64 << 20
	rowGroupRows  = 1 << 20
)

var compressions = map[string]compress.Compression{
	"": compress.Codecs.Snappy, "snappy": compress.Codecs.Snappy, "none": compress.Codecs.Uncompressed,
	"gzip": compress.Codecs.Gzip, "zstd": compress.Codecs.Zstd, "brotli": compress.Codecs.Brotli,
}

func (Codec) Create(w io.Writer, schema *arrow.Schema, o codec.WriteOptions) (codec.Writer, error) {
	if err := codec.NoOptions(codec.Parquet, o.Options); err != nil {
		return nil, err
	}
	compression, ok := compressions[o.Compression]
	if !ok {
		return nil, fmt.Errorf("files: parquet: no compression %q; there are none, snappy, gzip, zstd and brotli", o.Compression)
	}
	properties := []parquet.WriterProperty{
		parquet.WithCompression(compression),
		parquet.WithCreatedBy("tfos"),
		parquet.WithMaxRowGroupLength(rowGroupRows),
		// In pages of version 1 the library copies all levels for each run of
		// them: 100,000 rows of 784 floats take ten times as long.
		parquet.WithDataPageVersion(parquet.DataPageV2),
	}
	plain, err := withoutDictionary(schema, o.Distinct)
	if err != nil {
		return nil, fmt.Errorf("files: parquet: %w: %w", codec.ErrType, err)
	}
	props := parquet.NewWriterProperties(append(properties, plain...)...)
	// The library's writer does not free all memory that it allocates. It uses
	// Go's memory; o.Memory serves this package only.
	p := &writer{buffer: bufio.NewWriterSize(w, 1<<20), mem: o.Memory, given: schema, schema: storedSchema(schema), nullFixed: make([]bool, schema.NumFields())}
	if p.groupBytes = o.GroupBytes; p.groupBytes == nil {
		p.groupBytes = func() int64 { return RowGroupBytes }
	}
	err = codec.RecoverPanic(func() (err error) {
		p.w, err = pqarrow.NewFileWriter(p.schema, notCloser{p.buffer}, props, pqarrow.DefaultWriterProps())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("files: parquet: %w: %w", codec.ErrType, err)
	}
	return p, nil
}

// withoutDictionary turns off dictionaries for the leaves of these columns.
func withoutDictionary(schema *arrow.Schema, columns []string) (properties []parquet.WriterProperty, err error) {
	if len(columns) == 0 {
		return nil, nil
	}
	err = codec.RecoverPanic(func() error {
		stored, err := pqarrow.ToParquet(storedSchema(schema), nil, pqarrow.DefaultWriterProps())
		if err != nil {
			return err
		}
		for i := range stored.NumColumns() {
			if slices.Contains(columns, stored.ColumnRoot(i).Name()) {
				properties = append(properties, parquet.WithDictionaryPath(stored.Column(i).ColumnPath(), false))
			}
		}
		return nil
	})
	return properties, err
}

// notCloser hides the writer's Close from the library.
type notCloser struct{ io.Writer }

// writer converts columns to types that the library writes correctly.
// Fixed-size lists become lists, which are all that parquet has: the library
// refuses nulls among fixed-size lists. Timestamps get another time zone: the
// library writes those without a zone as instants, and those of any zone except
// UTC as local times.
type writer struct {
	w         *pqarrow.FileWriter
	buffer    *bufio.Writer
	mem       memory.Allocator
	given     *arrow.Schema
	schema    *arrow.Schema // as stored in the file
	nullFixed []bool        // per column: whether a fixed-size list in it was null

	groupBytes func() int64
}

func storedSchema(schema *arrow.Schema) *arrow.Schema {
	fields := slices.Clone(schema.Fields())
	for i, f := range fields {
		fields[i].Type = mapType(f.Type, storedZone)
	}
	return arrow.NewSchema(fields, nil)
}

// storedZone returns a timestamp type with the time zone that the library
// needs.
func storedZone(t arrow.DataType) arrow.DataType {
	stamp, ok := t.(*arrow.TimestampType)
	switch {
	case !ok:
		return t
	case stamp.TimeZone == "":
		return &arrow.TimestampType{Unit: stamp.Unit, TimeZone: "local"}
	}
	return &arrow.TimestampType{Unit: stamp.Unit, TimeZone: "UTC"}
}

// storeArrowSchema stores the Arrow schema, from which pyarrow restores types.
// Fixed-size lists with nulls are declared as lists.
func (p *writer) storeArrowSchema() error {
	fields := slices.Clone(p.given.Fields())
	for i, f := range fields {
		if p.nullFixed[i] {
			fields[i].Type = mapType(f.Type, func(t arrow.DataType) arrow.DataType { return t })
		}
	}
	bytes := flight.SerializeSchema(arrow.NewSchema(fields, nil), p.mem)
	return p.w.AppendKeyValueMetadata("ARROW:schema", base64.StdEncoding.EncodeToString(bytes))
}

// hasNullFixedList reports whether a fixed-size list is null, or lies in a null
// struct. Parquet stores no values there, and pyarrow then cannot read the list
// as fixed-size.
func hasNullFixedList(a arrow.Array, within bool) bool {
	within = within || a.NullN() > 0
	switch a := a.(type) {
	case *array.Struct:
		for i := range a.NumField() {
			if hasNullFixedList(a.Field(i), within) {
				return true
			}
		}
	case *array.FixedSizeList:
		return within || hasNullFixedList(a.ListValues(), false)
	case array.ListLike:
		return hasNullFixedList(a.ListValues(), false)
	}
	return false
}

// mapType returns t with plain lists instead of all kinds of lists, and with
// scalar applied to types that are not nested.
func mapType(t arrow.DataType, scalar func(arrow.DataType) arrow.DataType) arrow.DataType {
	stored := func(f arrow.Field) arrow.Field {
		f.Type = mapType(f.Type, scalar)
		return f
	}
	switch t := t.(type) {
	case *arrow.MapType:
		m := arrow.MapOf(mapType(t.KeyType(), scalar), mapType(t.ItemType(), scalar))
		m.SetItemNullable(t.ItemField().Nullable)
		return m
	case arrow.ListLikeType:
		return arrow.ListOfField(stored(t.ElemField()))
	case *arrow.StructType:
		fields := make([]arrow.Field, t.NumFields())
		for i := range fields {
			fields[i] = stored(t.Field(i))
		}
		return arrow.StructOf(fields...)
	}
	return scalar(t)
}

// relabel returns the same data with a type of the same layout.
func relabel(_ memory.Allocator, a arrow.Array, t arrow.DataType) (arrow.Array, error) {
	d := a.Data()
	data := array.NewData(t, d.Len(), d.Buffers(), nil, d.NullN(), d.Offset())
	defer data.Release()
	return array.MakeFromData(data), nil
}

func (p *writer) Write(record arrow.Record) error {
	err := codec.RecoverPanic(func() error {
		if p.w.RowGroupTotalCompressedBytes() >= p.groupBytes() {
			p.w.NewBufferedRowGroup()
		}
		stored, err := p.toStored(record)
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

// toStored returns the record with the writer's schema.
func (p *writer) toStored(record arrow.Record) (arrow.Record, error) {
	columns := make([]arrow.Array, 0, record.NumCols())
	defer func() { arrays.ReleaseArrays(columns) }()
	to := arrays.Caster{Mem: p.mem, Scalar: relabel, Dense: true}
	for i, c := range record.Columns() {
		column, err := to.Cast(c, p.schema.Field(i).Type)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", record.ColumnName(i), err)
		}
		columns = append(columns, column)
		p.nullFixed[i] = p.nullFixed[i] || hasNullFixedList(c, false)
	}
	return array.NewRecord(p.schema, columns, record.NumRows()), nil
}

func (p *writer) Close() error {
	err := codec.RecoverPanic(p.storeArrowSchema)
	if closing := codec.RecoverPanic(p.w.Close); err == nil {
		err = closing
	}
	if err == nil {
		err = p.buffer.Flush()
	}
	if err != nil {
		return fmt.Errorf("files: write parquet: %w", err)
	}
	return nil
}
