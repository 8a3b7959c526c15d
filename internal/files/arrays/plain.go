package arrays

import (
	"github.com/apache/arrow/go/v15/arrow"
)

// plainType returns the logical type of rows. It has no dictionaries, runs,
// views, 64-bit offsets or extensions, which are only ways of storage.
func plainType(t arrow.DataType) arrow.DataType {
	switch t := t.(type) {
	case *arrow.DictionaryType:
		return plainType(t.ValueType)
	case *arrow.RunEndEncodedType:
		return plainType(t.Encoded())
	case *arrow.LargeStringType, *arrow.StringViewType:
		return arrow.BinaryTypes.String
	case *arrow.LargeBinaryType, *arrow.BinaryViewType:
		return arrow.BinaryTypes.Binary
	case *arrow.LargeListType:
		return arrow.ListOfField(PlainField(t.ElemField()))
	case *arrow.ListViewType:
		return arrow.ListOfField(PlainField(t.ElemField()))
	case *arrow.LargeListViewType:
		return arrow.ListOfField(PlainField(t.ElemField()))
	case *arrow.ListType:
		return arrow.ListOfField(PlainField(t.ElemField()))
	case *arrow.FixedSizeListType:
		return arrow.FixedSizeListOfField(t.Len(), PlainField(t.ElemField()))
	case *arrow.MapType:
		m := arrow.MapOf(plainType(t.KeyType()), plainType(t.ItemType()))
		m.KeysSorted = t.KeysSorted
		m.SetItemNullable(t.ItemField().Nullable)
		return m
	case *arrow.StructType:
		fields := make([]arrow.Field, t.NumFields())
		for i := range fields {
			fields[i] = PlainField(t.Field(i))
		}
		return arrow.StructOf(fields...)
	case arrow.ExtensionType:
		return plainType(t.StorageType())
	}
	return t
}

// PlainField makes the type plain and drops metadata, such as parquet's field
// numbers. Metadata may differ between files of the same rows.
func PlainField(f arrow.Field) arrow.Field {
	return arrow.Field{Name: f.Name, Type: plainType(f.Type), Nullable: f.Nullable}
}
