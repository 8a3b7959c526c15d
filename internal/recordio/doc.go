// Package recordio has the frames of TFRecord files: records of bytes, each with its
// length and two checksums. Files of rows and TensorBoard's event files have them.
//
// Comes in: bytes of records, or frames. Goes out: frames, or what is wrong with them.
// The package opens no files and knows no content of records.
//
// A frame, as in tensorflow/core/lib/io/record_writer.h:
//
//	uint64 length, uint32 masked CRC-32C of the length,
//	byte   data[length], uint32 masked CRC-32C of the data
//
// All numbers are little-endian.
package recordio
