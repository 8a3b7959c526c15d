// Package csv reads and writes CSV files under Spark's options.
//
// Comes in: a split of a file, and the options header, sep, escape, nullValue and
// multiLine (dialect). Goes out: records; without a declared schema columns have
// the types of sampled cells. A list in a cell is JSON, binary is base64.
//
// It never splits a file that is read with multiLine: where quotes are open can be
// told from its beginning only.
package csv
