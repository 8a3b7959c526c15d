// Package arrays does to Arrow arrays what the library does not, or does
// differently.
//
// Comes in: arrays, and the type that a column shall have. Goes out: arrays of
// that type (CastField), which are the caller's to release; or an error where the
// type cannot hold a value. Only what is of a float is rounded.
//
// Also here: the text of numbers (AppendNumber, FormatFloat), types in Spark's
// DDL (ParseSchema, TypeDDL), rows picked from an array (Pick), buffers that are
// appended to (Buffer), and memory that is used again (Recycler).
//
// It opens no file and knows no format.
package arrays
