package parquet

import (
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/arrow/util"

	"tfos/internal/files/arrays"
	"tfos/internal/files/codec"
)

// reader returns batches. A batch may contain rows of several row groups.
type reader struct {
	*openedFile
	schema   *arrow.Schema
	mem      memory.Allocator
	columns  []*node // in the schema's order
	leaves   []*leaf
	groups   []rowGroup
	maxRows  int64 // rows of a batch, at most
	maxBytes int64 // bytes of a batch, at most, about
	batch    int64 // rows of the next batch
	rows     int64 // read so far
	total    int64 // rows of the split by the footer
	bytes    int64 // of the columns in a remote file, by the footer
	before   int64 // rows of the file before the split
	// expands says that rows may be larger in memory than the file says. Then a
	// row group begins with few rows, and later batches depend on the last
	// batch's size.
	expands bool
	group   int   // current row group, if expands
	seen    int64 // rows read of it
}

func (r *reader) open(s codec.Split, o codec.ReadOptions) (err error) {
	if r.groups, err = r.openedFile.rowGroups(s); err != nil {
		return err
	}
	found := arrow.NewSchema(r.fields(), nil)
	for _, field := range r.schema.Fields() {
		i, err := codec.FindColumn(found, field.Name)
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
	return r.planBatches(o)
}

// addLeaves makes the leaves of a column.
func (r *reader) addLeaves(n *node) error {
	meta := r.file.MetaData()
	for _, c := range n.leaves() {
		col := meta.Schema.Column(c.column)
		if col.MaxDefinitionLevel() > 255 || col.MaxRepetitionLevel() > 255 {
			return errors.New("it is nested too deeply")
		}
		v, err := newValues(col, c.field.Type, arrays.Uncleared(r.mem)) // values set all that they take
		if err != nil {
			return err
		}
		c.leaf = &leaf{name: col.Path(), values: v, nested: n.column < 0, ancestor: c.ancestor,
			maxRep: uint8(col.MaxRepetitionLevel()), maxDef: uint8(col.MaxDefinitionLevel()), validity: arrays.Buffer{Mem: r.mem}}
		if r.source.Block > 0 { // a local file is not read ahead
			r.bytes += r.bytesOf(c.column)
		}
		c.leaf.open = func(group int) (chunk, error) { return r.chunk(c.leaf, c.column, group) }
		r.leaves = append(r.leaves, c.leaf)
	}
	n.setFirstLeaves()
	return nil
}

// bytesOf returns how many bytes of the file a column of the split has. What the footer says
// wrongly does not count: opening it is the error.
func (r *reader) bytesOf(column int) (n int64) {
	for _, g := range r.groups {
		if meta, err := g.ColumnChunk(column); err == nil {
			if piece, err := pieceOf(meta, r.source.Size); err == nil {
				n += piece.Size
			}
		}
	}
	return n
}

// chunk opens a column chunk of the split's group-th row group.
func (r *reader) chunk(l *leaf, column, group int) (chunk, error) {
	if group >= len(r.groups) {
		return chunk{}, errMissing
	}
	g := r.groups[group]
	meta, err := g.ColumnChunk(column)
	if err != nil {
		return chunk{}, err
	}
	c := chunk{rows: g.NumRows(), slots: float64(meta.NumValues()) / float64(g.NumRows())}
	if l.in == nil {
		l.in = r.inOrder(column, group)
	}
	if l.decoder == nil {
		col := r.file.MetaData().Schema.Column(column)
		l.decoder = &pageDecoder{maxRep: l.maxRep, maxDef: l.maxDef, deltas: deltas{physical: col.PhysicalType(), length: col.TypeLength()}}
	}
	c.pageSource = l.decoder
	return c, l.decoder.pages.open(l.in, r.source.Size, meta)
}

// inOrder reads a column's chunks, from a row group on. A chunk whose place is wrong ends
// them: opening it is the error.
func (r *reader) inOrder(column, group int) io.ReaderAt {
	var pieces []codec.Piece
	for _, g := range r.groups[group:] {
		meta, err := g.ColumnChunk(column)
		if err != nil {
			break
		}
		piece, err := pieceOf(meta, r.source.Size)
		if err != nil {
			break
		}
		pieces = append(pieces, piece)
	}
	return r.source.InOrder(pieces, r.bytes)
}

func (r *reader) FirstRow() int64 { return r.before }

func (r *reader) Schema() *arrow.Schema { return r.schema }

func (r *reader) Next() (record arrow.Record, err error) {
	rows := r.nextRows()
	if rows == 0 {
		return nil, io.EOF
	}
	if err := r.source.Ended(); err != nil {
		return nil, codec.StoreError(r.source.Path, err)
	}
	for _, l := range r.leaves {
		if err := r.guardColumn(l, func() error { l.beginBatch(); return l.readRows(rows) }); err != nil {
			return nil, err
		}
	}
	columns := make([]arrow.Array, 0, len(r.columns))
	defer func() { arrays.ReleaseArrays(columns) }()
	for i, n := range r.columns {
		err := r.guardColumn(n.leaf, func() error {
			a, err := r.buildColumn(n, r.schema.Field(i), rows)
			if err == nil {
				columns = append(columns, a)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	r.rows += rows
	record = array.NewRecord(r.schema, columns, rows)
	if r.expands {
		each := max(1, util.TotalRecordSize(record)/rows)
		r.batch = max(1, min(r.maxRows, r.maxBytes/each))
		r.advance(rows)
	}
	return record, nil
}

// guardColumn runs f and adds the place in the file to its error.
func (r *reader) guardColumn(l *leaf, f func() error) error {
	err := codec.RecoverPanic(f)
	if err == nil {
		return nil
	}
	offset := int64(-1)
	if l.chunk.pageSource != nil {
		offset = l.chunk.offset()
	}
	if errors.As(err, new(unfitError)) || errors.Is(err, arrays.ErrNulls) {
		return r.source.Fail(offset, r.rows, err)
	}
	return r.source.Fail(offset, r.rows, fmt.Errorf("%w: column %s: %w", errNotParquet, l.name, err))
}

func (r *reader) buildColumn(n *node, to arrow.Field, rows int64) (arrow.Array, error) {
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
	out, err := arrays.CastField(r.mem, a, to)
	if err != nil && !errors.Is(err, arrays.ErrNulls) {
		err = unfitError{fmt.Errorf("column %s: %w", to.Name, err)}
	}
	return out, err
}

// unfitError is the error of values in an undamaged file that do not fit the
// wanted type.
type unfitError struct{ error }

func (r *reader) Close() error {
	for _, l := range r.leaves {
		l.release()
	}
	return r.source.Close()
}

// Passed implements Placed. It counts rows, whose number is in the footer.
func (r *reader) Passed() float64 { return codec.Share(float64(r.rows), float64(r.total)) }
