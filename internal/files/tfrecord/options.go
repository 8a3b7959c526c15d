package tfrecord

import (
	"fmt"
	"maps"
	"slices"

	"tfos/internal/files/codec"
)

// recordType is spark-tfrecord's option recordType: the message of a record.
// With "" a reader accepts tf.Examples and tf.SequenceExamples, and a writer
// writes tf.Examples.
type recordType string

const recordTypeOption = "recordType"

const (
	recordExample  recordType = "Example"
	recordSequence recordType = "SequenceExample"
	recordBytes    recordType = "ByteArray" // any bytes: see Codec
)

// recordTypeOf reads the format's only option.
func recordTypeOf(options map[string]string) (recordType, error) {
	for _, name := range slices.Sorted(maps.Keys(options)) {
		if name != recordTypeOption {
			return "", fmt.Errorf("files: %s: unknown option %q", codec.TFRecord, name)
		}
	}
	switch t := recordType(options[recordTypeOption]); t {
	case "", recordExample, recordSequence, recordBytes:
		return t, nil
	default:
		return "", fmt.Errorf("files: %s: option %s: %q: must be %s, %s or %s", codec.TFRecord, recordTypeOption, t, recordExample, recordSequence, recordBytes)
	}
}
