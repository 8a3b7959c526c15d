// Package codec says what a format of files is: the interface Codec, and the
// terms that all formats share (options, splits, readers, writers, errors).
//
// Comes in: from package files the options of a caller, filled in; from a format
// its Codec. Goes out: Source, an open file for formats that read at many places;
// checks of columns' names and of declared schemas; errors with their place.
//
// It knows no format but by name. A reader that is given a file of another format
// says so: it asks ReadOptions.Others, which package files fills in.
package codec
