package tfrecord

import (
	"fmt"
	"maps"
	"slices"

	"tfos/internal/files/codec"
)

// recordType is the option recordType of TFRecord files, as spark-tfrecord has
// it: which message a record is. "": a reader takes tf.Examples and
// tf.SequenceExamples, a writer writes tf.Examples.
type recordType string

const recordTypeOption = "recordType"

const (
	recordExample  recordType = "Example"
	recordSequence recordType = "SequenceExample"
	recordBytes    recordType = "ByteArray" // any message, or none: see Codec
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
