// Package tfrecord reads and writes TFRecord files of tf.Example and
// tf.SequenceExample. With the option recordType: ByteArray the records are any
// bytes.
//
// Comes in: a split of a file: plain, gzip or zlib. Goes out: records. Without
// a declared schema the columns are the features of sampled rows. A record's
// two CRCs are always checked.
//
// From the file to the record: frame.go (records of bytes, in the frames of
// internal/recordio), example.go (a message on the wire, parsed without
// protobuf's library), column.go (a feature into a builder), source.go (a row).
// In the other direction: encode.go and writer.go. codec.go decides between
// messages and bytes.
package tfrecord
