package parquet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/metadata"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
	"github.com/apache/arrow/go/v15/parquet/schema"

	"tfos/internal/files/codec"
	"tfos/internal/store"
)

// Codec reads and writes parquet. The library reads footers and schemas, and
// does most compressions. This package decodes the pages: the library's readers
// take two to four times as long on lists of numbers (bench_test.go), and
// support neither LZ4 nor every encoding.
//
// The Arrow schema in a file says how the writer stored columns, which is not
// kept. Dictionaries, 64-bit offsets and extension types become plain values.
// INT96 becomes timestamps in microseconds, UTC. Every other type is read as it
// was written.
type Codec struct{}

func (Codec) Extensions() []string { return []string{".parquet", ".parq", ".pq"} }

func (Codec) Begins(head []byte) bool { return bytes.HasPrefix(head, []byte("PAR1")) }

// CountRows returns the number of a file's rows, from its footer.
func (Codec) CountRows(ctx context.Context, file store.Info) (int64, error) {
	f, err := openFile(ctx, footerOf(file), codec.ReadOptions{})
	if err != nil {
		return 0, err
	}
	return f.file.NumRows(), f.source.Close()
}

func (Codec) Schema(ctx context.Context, files []store.Info, o codec.ReadOptions) (*arrow.Schema, error) {
	if err := codec.NoOptions(codec.Parquet, o.Options); err != nil {
		return nil, err
	}
	f, err := openFile(ctx, footerOf(files[0]), o)
	if err != nil {
		return nil, err
	}
	found := arrow.NewSchema(f.fields(), nil)
	if err := f.source.Close(); err != nil {
		return nil, codec.StoreError(files[0].Path, err)
	}
	return codec.ApplyDeclared(files[0].Path, found, o)
}

func (Codec) Starts(ctx context.Context, info store.Info, o codec.ReadOptions) (starts []int64, err error) {
	f, err := openFile(ctx, footerOf(info), o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.source.Close()) }()
	err = codec.RecoverPanic(func() error {
		groups, err := f.rowGroups(codec.Split{Path: info.Path, Length: math.MaxInt64})
		for _, g := range groups {
			starts = append(starts, g.begin)
		}
		return err
	})
	if err != nil {
		return nil, f.error(-1, err)
	}
	slices.Sort(starts)
	return append([]int64{0}, starts...), nil
}

// openedFile is an open file and its footer.
type openedFile struct {
	source *codec.Source
	file   *file.Reader
	nodes  []*node
}

var errNotParquet = errors.New("not a readable parquet file")

// footerOf is the split that is the end of a listed file.
func footerOf(file store.Info) codec.Split { return codec.Split{Path: file.Path, Offset: file.Size} }

// openFile opens a file to read a split of it.
func openFile(ctx context.Context, split codec.Split, o codec.ReadOptions) (*openedFile, error) {
	s, err := codec.OpenSource(ctx, split)
	if err != nil {
		return nil, err
	}
	f := &openedFile{source: s}
	if err := codec.RecoverPanic(f.readFooter); err != nil {
		if other := s.Refuse(codec.Parquet, o); other != nil {
			err = other
		}
		return nil, errors.Join(f.error(-1, err), s.Close())
	}
	return f, nil
}

func (f *openedFile) readFooter() (err error) {
	props := parquet.NewReaderProperties(memory.NewGoAllocator())
	props.BufferedStreamEnabled = true // otherwise the library reads whole column chunks
	if f.file, err = file.NewParquetReader(f.source, file.WithReadProps(props)); err != nil {
		return err
	}
	meta := f.file.MetaData()
	manifest, err := pqarrow.NewSchemaManifest(meta.Schema, meta.KeyValueMetadata(), nil)
	if err != nil {
		return fmt.Errorf("%w%w", unknownTypeError(meta.Schema), err)
	}
	for i := range manifest.Fields {
		n, err := newNode(&manifest.Fields[i], meta.Schema)
		if err != nil {
			return err
		}
		f.nodes = append(f.nodes, n)
	}
	return nil
}

// unknownTypeError names the first column whose type the library does not
// support.
func unknownTypeError(sc *schema.Schema) error {
	for i := range sc.Root().NumFields() {
		one, err := schema.NewGroupNode("schema", parquet.Repetitions.Required, schema.FieldList{sc.Root().Field(i)}, -1)
		if err != nil {
			continue
		}
		if _, err := pqarrow.NewSchemaManifest(schema.NewSchema(one), nil, nil); err != nil {
			return fmt.Errorf("%w: column %s: ", codec.ErrType, sc.Root().Field(i).Name())
		}
	}
	return codec.ErrType
}

func (f *openedFile) fields() []arrow.Field {
	var fields []arrow.Field
	for _, n := range f.nodes {
		fields = append(fields, n.field)
	}
	return fields
}

func (f *openedFile) error(offset int64, err error) error {
	if errors.Is(err, codec.ErrType) {
		return f.source.Fail(offset, -1, err)
	}
	return f.source.Fail(offset, -1, fmt.Errorf("%w: %w", errNotParquet, err))
}

// rowGroup is a row group and its number in the file.
type rowGroup struct {
	*metadata.RowGroupMetaData
	index int
	begin int64 // byte of the file
	first int64 // rows that certainly fit into a batch
}

// rowGroups returns the row groups that begin in the split and have rows.
func (f *openedFile) rowGroups(s codec.Split) ([]rowGroup, error) {
	var groups []rowGroup
	for i := range f.file.NumRowGroups() {
		g := f.file.MetaData().RowGroup(i)
		if g.NumRows() < 0 {
			return nil, fmt.Errorf("row group %d has %d rows", i, g.NumRows())
		}
		if g.NumRows() == 0 || g.NumColumns() == 0 {
			continue
		}
		first, err := g.ColumnChunk(0)
		if err != nil {
			return nil, err
		}
		begin := first.DataPageOffset()
		if dict := first.DictionaryPageOffset(); first.HasDictionaryPage() && dict > 0 && dict < begin {
			begin = dict
		}
		if begin >= s.Offset && begin < s.Offset+s.Length {
			groups = append(groups, rowGroup{RowGroupMetaData: g, index: i, begin: begin})
		}
	}
	return groups, nil
}

func (Codec) Open(ctx context.Context, s codec.Split, schema *arrow.Schema, o codec.ReadOptions) (codec.Reader, error) {
	f, err := openFile(ctx, s, o)
	if err != nil {
		return nil, err
	}
	r := &reader{openedFile: f, schema: schema, mem: o.Memory}
	if err := codec.RecoverPanic(func() error { return r.open(s, o) }); err != nil {
		return nil, errors.Join(f.error(-1, err), f.source.Close())
	}
	return r, nil
}
