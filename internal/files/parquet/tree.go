package parquet

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
	"github.com/apache/arrow/go/v15/parquet/schema"

	"tfos/internal/files/arrays"
	"tfos/internal/files/codec"
)

// setFirstLeaves gives each node above leaves the first leaf below it.
func (n *node) setFirstLeaves() {
	for _, c := range n.children {
		c.setFirstLeaves()
	}
	if len(n.children) > 0 {
		n.leaf = n.children[0].leaf
	}
}

// node is a field of the schema, with the meaning of its levels (Dremel's, as
// in parquet). Below definition level ancestor the field has no slot, because a
// list above it is null or empty. From level defined on its slot has a value. A
// repetition level above rep continues a list below the field.
type node struct {
	field    arrow.Field
	ancestor uint8
	defined  uint8
	rep      uint8
	column   int // of a leaf; -1 for other nodes
	children []*node
	leaf     *leaf // the column, or the first one below; any column below has the node's levels
}

// newNode returns the plain form of a field that the library found in a file's
// schema.
func newNode(f *pqarrow.SchemaField, sc *schema.Schema) (*node, error) {
	l := f.LevelInfo
	if l.DefLevel > 255 || l.RepLevel > 255 {
		return nil, fmt.Errorf("column %s is nested too deeply", f.Field.Name)
	}
	n := &node{field: arrays.PlainField(*f.Field), ancestor: uint8(l.RepeatedAncestorDefLevel),
		defined: uint8(l.DefLevel), rep: uint8(l.RepLevel), column: f.ColIndex}
	if len(f.Children) > 0 { // the library leaves a number there
		n.column = -1
	}
	for i := range f.Children {
		child, err := newNode(&f.Children[i], sc)
		if err != nil {
			return nil, err
		}
		n.children = append(n.children, child)
	}
	if n.column >= 0 {
		n.field.Type = textType(sc.Column(n.column), timestampType(sc.Column(n.column), n.field.Type))
		return n, nil
	}
	return n, n.setNestedType()
}

// timestampType corrects the type of a timestamp. INT96 has no unit, and the
// library reads local times as instants.
func timestampType(col *schema.Column, found arrow.DataType) arrow.DataType {
	if col.PhysicalType() == parquet.Types.Int96 {
		return arrow.FixedWidthTypes.Timestamp_us
	}
	logical, ok := col.LogicalType().(*schema.TimestampLogicalType)
	if t, is := found.(*arrow.TimestampType); is && ok && !logical.IsAdjustedToUTC() {
		return &arrow.TimestampType{Unit: t.Unit}
	}
	return found
}

// textType makes ENUM and JSON strings. The format says that they are UTF-8.
func textType(col *schema.Column, found arrow.DataType) arrow.DataType {
	switch col.LogicalType().(type) {
	case schema.EnumLogicalType, schema.JSONLogicalType:
		if found.ID() == arrow.BINARY {
			return arrow.BinaryTypes.String
		}
	}
	return found
}

// setNestedType derives a nested node's type from its children.
func (n *node) setNestedType() error {
	switch t := n.field.Type.(type) {
	case *arrow.StructType:
		fields := make([]arrow.Field, len(n.children))
		for i, c := range n.children {
			fields[i] = c.field
		}
		n.field.Type = arrow.StructOf(fields...)
		return nil
	case *arrow.ListType:
		if len(n.children) == 1 {
			n.field.Type = arrow.ListOfField(n.children[0].field)
			return nil
		}
	case *arrow.FixedSizeListType:
		if len(n.children) == 1 {
			n.field.Type = arrow.FixedSizeListOfField(t.Len(), n.children[0].field)
			return nil
		}
	case *arrow.MapType:
		if len(n.children) == 1 && len(n.children[0].children) == 2 {
			key, item := n.children[0].children[0].field, n.children[0].children[1].field
			m := arrow.MapOf(key.Type, item.Type)
			m.SetItemNullable(item.Nullable)
			n.field.Type = m
			return nil
		}
	}
	return fmt.Errorf("%w: column %s of %s", codec.ErrType, n.field.Name, n.field.Type)
}

// leaves returns the columns at and below the node.
func (n *node) leaves() []*node {
	if n.column >= 0 {
		return []*node{n}
	}
	var all []*node
	for _, c := range n.children {
		all = append(all, c.leaves()...)
	}
	return all
}

// build returns the batch's array of the node. The caller releases it.
func (n *node) build(mem memory.Allocator) (arrow.ArrayData, error) {
	if n.column >= 0 {
		return n.leaf.finish(), nil
	}
	var children []arrow.ArrayData
	for _, c := range n.children {
		child, err := c.build(mem)
		if err != nil {
			for _, done := range children {
				done.Release()
			}
			return nil, err
		}
		children = append(children, child)
	}
	if n.field.Type.ID() == arrow.STRUCT {
		return n.buildStruct(mem, children)
	}
	offsets, validity, nulls := n.buildOffsets(mem)
	return arrays.ListOf(mem, n.field.Type, offsets.Len()/4-1, nulls, validity, offsets, children[0])
}

func (n *node) buildStruct(mem memory.Allocator, children []arrow.ArrayData) (arrow.ArrayData, error) {
	l := n.leaf
	valid := bitmap{Buffer: arrays.Buffer{Mem: mem}}
	for i := range l.levels {
		if l.repAt(i) <= n.rep && l.defAt(i) >= n.ancestor {
			valid.append(l.defAt(i) >= n.defined)
		}
	}
	validity, nulls := valid.detach()
	for _, c := range children {
		if c.Len() != valid.n {
			arrays.ArrayData(n.field.Type, 0, 0, children, validity).Release()
			return nil, errors.New("the columns of a struct have different lengths")
		}
	}
	return arrays.ArrayData(n.field.Type, valid.n, nulls, children, validity), nil
}

func (l *leaf) repAt(i int) uint8 {
	if l.maxRep == 0 {
		return 0
	}
	return l.rep[i]
}

func (l *leaf) defAt(i int) uint8 {
	if l.def == nil {
		return l.maxDef
	}
	return l.def[i]
}

// buildOffsets returns the offsets and the validity of a list or map. From
// level defined on the list has an element. One level below it is empty, and at
// lower levels it is null.
func (n *node) buildOffsets(mem memory.Allocator) (offsets, validity *memory.Buffer, nulls int) {
	l := n.leaf
	out := arrays.Buffer{Mem: mem}
	if l.def == nil && n.rep == 1 && l.maxRep == 1 {
		return plainOffsets(out, l), nil, 0
	}
	valid := bitmap{Buffer: arrays.Buffer{Mem: mem}}
	elements := int32(0)
	for i := range l.levels {
		rep, def := l.repAt(i), l.defAt(i)
		if rep < n.rep && def >= n.ancestor {
			appendInt32(&out, elements)
			valid.append(def+1 >= n.defined)
		}
		if rep <= n.rep && def >= n.defined {
			elements++
		}
	}
	appendInt32(&out, elements)
	validity, nulls = valid.detach()
	return out.Detach(), validity, nulls
}

// plainOffsets returns the offsets if no list is null or empty: the positions
// of repetition level 0.
func plainOffsets(out arrays.Buffer, l *leaf) *memory.Buffer {
	for at := 0; at < l.levels; at++ {
		i := bytes.IndexByte(l.rep[at:], 0)
		if i < 0 {
			break
		}
		at += i
		appendInt32(&out, int32(at))
	}
	appendInt32(&out, int32(l.levels))
	return out.Detach()
}

func appendInt32(g *arrays.Buffer, v int32) {
	arrow.Int32Traits.CastFromBytes(g.Extend(4))[0] = v
}

// bitmap is a growing validity bitmap.
type bitmap struct {
	arrays.Buffer
	n, nulls int
}

func (b *bitmap) append(is bool) {
	if b.n%8 == 0 {
		b.Extend(1)[0] = 0
	}
	bitutil.SetBitTo(b.Buf.Bytes(), b.n, is)
	if !is {
		b.nulls++
	}
	b.n++
}

// detach returns the bitmap and the number of nulls. The bitmap is nil if there
// is no null.
func (b *bitmap) detach() (*memory.Buffer, int) {
	if b.nulls == 0 {
		b.Release()
		return nil, 0
	}
	return b.Buffer.Detach(), b.nulls
}
