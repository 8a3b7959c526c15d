// Package csv reads and writes CSV files with Spark's options.
//
// Comes in: a split of a file, and the options header, sep, escape, nullValue
// and multiLine (dialect). Goes out: records. Without a declared schema the
// column types come from sampled cells. A list in a cell is JSON, binary is
// base64.
//
// It never splits a file that is read with multiLine: only the file's beginning
// tells where quotes are open.
package csv
