// Package codec defines what a file format is: the interface Codec, and the
// terms that all formats share (options, splits, readers, writers, errors).
//
// Comes in: a caller's options, completed by package files, and the Codec of
// each format. Goes out: Source, an open file for formats that read at many
// places; checks of column names and declared schemas; errors with their place
// in the file.
//
// It knows formats only by name. ReadOptions.Others recognizes the other
// formats. A reader uses it to say that a file has another format. Package
// files sets it.
package codec
