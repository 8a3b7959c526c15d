package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/arrow/util"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/metadata"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
	"github.com/apache/arrow/go/v15/parquet/schema"

	"tfos/internal/store"
)

// parquetCodec reads and writes parquet. Footers, schemas and most compressions
// are the library's. Pages are decoded here (parquet_*.go): the library's column
// readers do a third of what the format allows on lists, and know neither LZ4
// nor every encoding.
//
// What the file's Arrow schema says of how columns were stored is not kept:
// dictionaries, 64-bit offsets and extension types come as plain values, INT96
// as timestamps in microseconds, UTC. Everything else comes as the type that
// was written.
type parquetCodec struct{}

func (parquetCodec) extensions() []string { return []string{".parquet", ".parq", ".pq"} }

func (parquetCodec) begins(head []byte) bool { return bytes.HasPrefix(head, []byte("PAR1")) }

// countRows is the number of a file's rows, from its footer.
func (parquetCodec) countRows(ctx context.Context, file store.Info) (int64, error) {
	f, err := openParquet(ctx, file.Path, ReadOptions{})
	if err != nil {
		return 0, err
	}
	return f.file.NumRows(), f.source.close()
}

func (parquetCodec) schema(ctx context.Context, files []store.Info, o ReadOptions) (*arrow.Schema, error) {
	if err := noOptions(Parquet, o.Options); err != nil {
		return nil, err
	}
	f, err := openParquet(ctx, files[0].Path, o)
	if err != nil {
		return nil, err
	}
	found := arrow.NewSchema(f.fields(), nil)
	if err := f.source.close(); err != nil {
		return nil, storeError(files[0].Path, err)
	}
	return declared(files[0].Path, found, o)
}

func (parquetCodec) starts(ctx context.Context, info store.Info, o ReadOptions) (starts []int64, err error) {
	f, err := openParquet(ctx, info.Path, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.source.close()) }()
	err = guarded(func() error {
		groups, err := f.groups(Split{Path: info.Path, Length: math.MaxInt64})
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

// parquetFile is an open file with its footer read.
type parquetFile struct {
	source *source
	file   *file.Reader
	nodes  []*node
}

var errNotParquet = errors.New("not a readable parquet file")

func openParquet(ctx context.Context, path string, o ReadOptions) (*parquetFile, error) {
	s, err := openSource(ctx, path)
	if err != nil {
		return nil, err
	}
	f := &parquetFile{source: s}
	if err := guarded(f.footer); err != nil {
		if other := s.refuse(Parquet, o); other != nil {
			err = other
		}
		return nil, errors.Join(f.error(-1, err), s.close())
	}
	return f, nil
}

func (f *parquetFile) footer() (err error) {
	props := parquet.NewReaderProperties(memory.NewGoAllocator())
	props.BufferedStreamEnabled = true // else the library reads whole column chunks
	if f.file, err = file.NewParquetReader(f.source, file.WithReadProps(props)); err != nil {
		return err
	}
	meta := f.file.MetaData()
	manifest, err := pqarrow.NewSchemaManifest(meta.Schema, meta.KeyValueMetadata(), nil)
	if err != nil {
		return fmt.Errorf("%w%w", blamed(meta.Schema), err)
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

// blamed names the first column whose type the library does not know.
func blamed(sc *schema.Schema) error {
	for i := range sc.Root().NumFields() {
		one, err := schema.NewGroupNode("schema", parquet.Repetitions.Required, schema.FieldList{sc.Root().Field(i)}, -1)
		if err != nil {
			continue
		}
		if _, err := pqarrow.NewSchemaManifest(schema.NewSchema(one), nil, nil); err != nil {
			return fmt.Errorf("%w: column %s: ", ErrType, sc.Root().Field(i).Name())
		}
	}
	return ErrType
}

func (f *parquetFile) fields() []arrow.Field {
	var fields []arrow.Field
	for _, n := range f.nodes {
		fields = append(fields, n.field)
	}
	return fields
}

func (f *parquetFile) error(offset int64, err error) error {
	if errors.Is(err, ErrType) {
		return f.source.error(offset, -1, err)
	}
	return f.source.error(offset, -1, fmt.Errorf("%w: %w", errNotParquet, err))
}

// rowGroup is a row group and its number in the file.
type rowGroup struct {
	*metadata.RowGroupMetaData
	index int
	begin int64 // byte of the file
	first int64 // rows that fit into a batch for certain
}

// groups are the row groups that begin in the split and have rows.
func (f *parquetFile) groups(s Split) ([]rowGroup, error) {
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

func (parquetCodec) open(ctx context.Context, s Split, schema *arrow.Schema, o ReadOptions) (Reader, error) {
	f, err := openParquet(ctx, s.Path, o)
	if err != nil {
		return nil, err
	}
	r := &parquetReader{parquetFile: f, schema: schema, mem: o.Memory}
	if err := guarded(func() error { return r.begin(s, o) }); err != nil {
		return nil, errors.Join(f.error(-1, err), f.source.close())
	}
	return r, nil
}

// parquetReader gives batches that may cross row groups.
type parquetReader struct {
	*parquetFile
	schema  *arrow.Schema
	mem     memory.Allocator
	columns []*node // as the schema has them
	leaves  []*leaf
	groups  []rowGroup
	most    int64 // rows of a batch
	room    int64 // bytes of one, about
	batch   int64 // rows of the next one
	rows    int64 // read so far
	total   int64 // as the footer says
	before  int64 // rows of the file before the split's
	// expands: rows may be larger in memory than the file says. Then few rows of
	// a row group come first, and more as the last batch was.
	expands bool
	group   int   // at hand, if expands
	seen    int64 // rows of it that are read
}

func (r *parquetReader) begin(s Split, o ReadOptions) (err error) {
	if r.groups, err = r.parquetFile.groups(s); err != nil {
		return err
	}
	found := arrow.NewSchema(r.fields(), nil)
	for _, field := range r.schema.Fields() {
		i, err := place(found, field.Name)
		if err != nil {
			return err
		}
		r.columns = append(r.columns, r.nodes[i])
		if err := r.addLeaves(r.nodes[i]); err != nil {
			return fmt.Errorf("column %s: %w", field.Name, err)
		}
	}
	for _, g := range r.groups {
		r.total += g.NumRows()
	}
	for i := 0; len(r.groups) > 0 && i < r.groups[0].index; i++ {
		r.before += r.file.MetaData().RowGroup(i).NumRows()
	}
	return r.sizes(o)
}

// addLeaves makes the leaves of a column.
func (r *parquetReader) addLeaves(n *node) error {
	meta := r.file.MetaData()
	for _, c := range n.leaves() {
		col := meta.Schema.Column(c.column)
		if col.MaxDefinitionLevel() > 255 || col.MaxRepetitionLevel() > 255 {
			return errors.New("it is nested too deeply")
		}
		v, err := newValues(col, c.field.Type, r.mem)
		if err != nil {
			return err
		}
		c.leaf = &leaf{name: col.Path(), values: v, nested: n.column < 0, ancestor: c.ancestor,
			maxRep: uint8(col.MaxRepetitionLevel()), maxDef: uint8(col.MaxDefinitionLevel()), validity: growing{mem: r.mem}}
		c.leaf.open = func(group int) (chunk, error) { return r.chunk(c.leaf, c.column, group) }
		r.leaves = append(r.leaves, c.leaf)
	}
	n.adopt()
	return nil
}

// adopt gives nodes above leaves the first leaf below them.
func (n *node) adopt() {
	for _, c := range n.children {
		c.adopt()
	}
	if len(n.children) > 0 {
		n.leaf = n.children[0].leaf
	}
}

// chunk opens a column chunk of the split's group-th row group.
func (r *parquetReader) chunk(l *leaf, column, group int) (chunk, error) {
	if group >= len(r.groups) {
		return chunk{}, errMissing
	}
	g := r.groups[group]
	meta, err := g.ColumnChunk(column)
	if err != nil {
		return chunk{}, err
	}
	c := chunk{rows: g.NumRows(), slots: float64(meta.NumValues()) / float64(g.NumRows())}
	p, err := openPages(r.source, meta)
	if err != nil {
		return chunk{}, err
	}
	col := r.file.MetaData().Schema.Column(column)
	c.pieces = &pagePieces{pages: p, maxRep: l.maxRep, maxDef: l.maxDef, deltas: deltas{physical: col.PhysicalType(), length: col.TypeLength()}}
	return c, nil
}

func (r *parquetReader) firstRow() int64 { return r.before }

func (r *parquetReader) Schema() *arrow.Schema { return r.schema }

func (r *parquetReader) Next() (record arrow.Record, err error) {
	rows := r.next()
	if rows == 0 {
		return nil, io.EOF
	}
	if err := r.source.ctx(); err != nil {
		return nil, storeError(r.source.path, err)
	}
	for _, l := range r.leaves {
		if err := r.guard(l, func() error { l.begin(); return l.read(rows) }); err != nil {
			return nil, err
		}
	}
	arrays := make([]arrow.Array, 0, len(r.columns))
	defer func() { releaseArrays(arrays) }()
	for i, n := range r.columns {
		err := r.guard(n.leaf, func() error {
			a, err := r.column(n, r.schema.Field(i), rows)
			if err == nil {
				arrays = append(arrays, a)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	r.rows += rows
	record = array.NewRecord(r.schema, arrays, rows)
	if r.expands {
		each := max(1, util.TotalRecordSize(record)/rows)
		r.batch = max(1, min(r.most, r.room/each))
		r.pass(rows)
	}
	return record, nil
}

// guard says where in the file a column could not be read.
func (r *parquetReader) guard(l *leaf, f func() error) error {
	err := guarded(f)
	if err == nil {
		return nil
	}
	offset := int64(-1)
	if l.chunk.pieces != nil {
		offset = l.chunk.offset()
	}
	if errors.As(err, new(unfit)) || errors.Is(err, errNulls) {
		return r.source.error(offset, r.rows, err)
	}
	return r.source.error(offset, r.rows, fmt.Errorf("%w: column %s: %w", errNotParquet, l.name, err))
}

func (r *parquetReader) column(n *node, to arrow.Field, rows int64) (arrow.Array, error) {
	data, err := n.build(r.mem)
	if err != nil {
		return nil, err
	}
	defer data.Release()
	if int64(data.Len()) != rows {
		return nil, fmt.Errorf("%d rows, not %d", data.Len(), rows)
	}
	a := array.MakeFromData(data)
	defer a.Release()
	out, err := castField(r.mem, a, to)
	if err != nil && !errors.Is(err, errNulls) {
		err = unfit{fmt.Errorf("column %s: %w", to.Name, err)}
	}
	return out, err
}

// unfit is values of a whole file that are not what was asked for.
type unfit struct{ error }

func releaseArrays(arrays []arrow.Array) {
	for _, a := range arrays {
		a.Release()
	}
}

func (r *parquetReader) Close() error {
	for _, l := range r.leaves {
		l.release()
	}
	return r.source.close()
}
