package files

import (
	"fmt"
	"maps"
	"slices"
)

// recordType is the option recordType of TFRecord files, as spark-tfrecord has
// it: which message a record is. "": a reader takes tf.Examples and
// tf.SequenceExamples, a writer writes tf.Examples.
type recordType string

const (
	recordExample  recordType = "Example"
	recordSequence recordType = "SequenceExample"
)

// recordTypeOf reads the format's only option.
func recordTypeOf(options map[string]string) (recordType, error) {
	for _, name := range slices.Sorted(maps.Keys(options)) {
		if name != "recordType" {
			return "", fmt.Errorf("files: %s: unknown option %q", TFRecord, name)
		}
	}
	switch t := recordType(options["recordType"]); t {
	case "", recordExample, recordSequence:
		return t, nil
	default:
		return "", fmt.Errorf("files: %s: option recordType: %q: must be %s or %s", TFRecord, t, recordExample, recordSequence)
	}
}
