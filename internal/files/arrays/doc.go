// Package arrays does with Arrow arrays what the library lacks or does
// differently.
//
// Comes in: arrays, and the type that a column must have. Goes out: arrays of
// that type (CastField), which the caller releases; or an error if the type
// cannot hold a value. Only floats are rounded.
//
// Also here: the text of numbers (AppendNumber, FormatFloat), types in Spark's
// DDL (ParseSchema, TypeDDL), selected rows of an array (Pick), growing buffers
// (Buffer), and an allocator that reuses memory (Recycler).
//
// It opens no file and knows no format.
package arrays
