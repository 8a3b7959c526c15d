package tfrecord

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// tf.Example and tf.SequenceExample on the wire
// (tensorflow/core/example/{example,feature}.proto):
//
//	Example         { Features features = 1; }
//	SequenceExample { Features context = 1; FeatureLists feature_lists = 2; }
//	FeatureLists    { map<string, FeatureList> feature_list = 1; }
//	FeatureList     { repeated Feature feature = 1; }
//	Features        { map<string, Feature> feature = 1; }
//	Feature         { oneof kind { BytesList bytes_list = 1; FloatList float_list = 2; Int64List int64_list = 3; } }
//	…List           { repeated … value = 1; }   // numbers packed or not
//
// On the wire an Example is a SequenceExample without feature_lists, so one
// parser reads both.
//
// The parser replaces protobuf's library, which allocates for each map entry
// and list, and whose values would be copied once more. It skips unknown
// fields. It merges repeated fields as protobuf does.

// kind is the field number of the oneof; 0: not set.
type kind protowire.Number

const (
	bytesKind kind = 1
	floatKind kind = 2
	int64Kind kind = 3
)

func (k kind) String() string {
	switch k {
	case bytesKind:
		return "bytes_list"
	case floatKind:
		return "float_list"
	case int64Kind:
		return "int64_list"
	}
	return "empty feature"
}

// wireError is the error of bytes that are not a protobuf message.
type wireError struct{ error }

func (e wireError) Unwrap() error { return e.error }

// eachField calls f with the number and value of each length-delimited field of
// message. It skips other fields, because all fields of the messages above a
// list are length-delimited. skipped counts the skipped fields; it may be nil.
func eachField(message []byte, skipped *int, f func(number protowire.Number, value []byte) error) error {
	for len(message) > 0 {
		number, wire, n := protowire.ConsumeTag(message)
		if n < 0 {
			return wireError{protowire.ParseError(n)}
		}
		message = message[n:]
		if wire != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(number, wire, message); n < 0 {
				return wireError{protowire.ParseError(n)}
			}
			message = message[n:]
			if skipped != nil {
				*skipped++
			}
			continue
		}
		value, n := protowire.ConsumeBytes(message)
		if n < 0 {
			return wireError{protowire.ParseError(n)}
		}
		message = message[n:]
		if err := f(number, value); err != nil {
			return err
		}
	}
	return nil
}

// mergeEncodings returns the merged encoding of one message that was encoded in
// two parts. It does not change first. If first is empty, as usual, it copies
// nothing.
func mergeEncodings(first, second []byte) []byte {
	if len(first) == 0 {
		return second
	}
	return append(first[:len(first):len(first)], second...)
}

// part is the field of a record that a feature belongs to.
type part protowire.Number

const (
	contextPart part = 1 // features of an Example, context of a SequenceExample
	listsPart   part = 2 // feature_lists of a SequenceExample
)

func (p part) String() string {
	if p == listsPart {
		return "feature_lists"
	}
	return "context"
}

// errForeign is the error of a record with another message.
var errForeign = errors.New("neither a tf.Example nor a tf.SequenceExample: read such records whole by the option recordType: ByteArray")

// eachFeature calls f with the map entries of a record, in their order on the
// wire. If a name occurs again in the same part, the last call counts. value is
// a Feature in the context, and a FeatureList in the feature lists. The slices
// point into record.
//
// A record with unknown fields and at least one feature is accepted: it may
// come from a later version. A record with unknown fields only is errForeign.
func eachFeature(record []byte, f func(p part, name, value []byte) error) error {
	p, met, skipped := contextPart, 0, 0
	entry := func(number protowire.Number, entry []byte) error {
		if number != 1 {
			skipped++
			return nil
		}
		var name, value []byte
		fields := 0
		if p == listsPart {
			value = []byte{} // a list without steps is still a value
		}
		err := eachField(entry, &skipped, func(number protowire.Number, field []byte) error {
			switch number {
			case 1:
				name = field
			case 2:
				value = mergeEncodings(value, field)
				fields++
			}
			return nil
		})
		if err != nil {
			return err
		}
		if fields == 0 && len(entry) > 0 {
			skipped++ // writers of Examples set the value of each entry
		} else {
			met++
		}
		return f(p, name, value)
	}
	err := eachField(record, &skipped, func(number protowire.Number, features []byte) error {
		if p = part(number); p != contextPart && p != listsPart {
			skipped++
			return nil
		}
		return eachField(features, &skipped, entry)
	})
	if err == nil && met == 0 && skipped > 0 {
		return errForeign
	}
	if errors.As(err, new(wireError)) {
		return fmt.Errorf("%w (%w)", errForeign, err)
	}
	return err
}

// eachStep calls f with the Features of a FeatureList and returns their number.
func eachStep(list []byte, f func(feature []byte) error) (steps int, err error) {
	err = eachField(list, nil, func(number protowire.Number, feature []byte) error {
		if number != 1 {
			return nil
		}
		steps++
		return f(feature)
	})
	return steps, err
}

// featureList returns the encoded list that a Feature holds, and its kind.
func featureList(feature []byte) (k kind, list []byte, err error) {
	err = eachField(feature, nil, func(number protowire.Number, value []byte) error {
		switch kind(number) {
		case bytesKind, floatKind, int64Kind:
			if kind(number) != k { // the last field of a oneof counts
				k, list = kind(number), nil
			}
			list = mergeEncodings(list, value)
		}
		return nil
	})
	return k, list, err
}

// walkList calls value with the bytes of each field 1 of a list: a packed run,
// or one value of wire type unpacked. It returns the sum of value's results.
func walkList(list []byte, unpacked protowire.Type, value func(b []byte) (int, error)) (count int, err error) {
	for len(list) > 0 {
		number, wire, n := protowire.ConsumeTag(list)
		if n < 0 {
			return 0, protowire.ParseError(n)
		}
		list = list[n:]
		if n = protowire.ConsumeFieldValue(number, wire, list); n < 0 {
			return 0, protowire.ParseError(n)
		}
		field := list[:n]
		list = list[n:]
		switch {
		case number != 1 || wire != unpacked && wire != protowire.BytesType:
			continue
		case wire == protowire.BytesType:
			field, _ = protowire.ConsumeBytes(field)
		}
		if n, err = value(field); err != nil {
			return 0, err
		}
		count += n
	}
	return count, nil
}

// walkFloats calls f with each run of little-endian float32s. It returns the
// number of floats.
func walkFloats(list []byte, f func(run []byte) error) (int, error) {
	return walkList(list, protowire.Fixed32Type, func(b []byte) (int, error) {
		if len(b)%4 != 0 {
			return 0, fmt.Errorf("a packed float_list of %d bytes", len(b))
		}
		return len(b) / 4, f(b)
	})
}

// walkInts calls f with each integer and returns their number.
func walkInts(list []byte, f func(int64) error) (int, error) {
	return walkList(list, protowire.VarintType, func(b []byte) (int, error) {
		count := 0
		for ; len(b) > 0; count++ {
			v, n := uint64(b[0]), 1
			if v >= 0x80 {
				if v, n = protowire.ConsumeVarint(b); n < 0 {
					return 0, protowire.ParseError(n)
				}
			}
			if err := f(int64(v)); err != nil {
				return 0, err
			}
			b = b[n:]
		}
		return count, nil
	})
}

// walkBytes calls f with each value and returns their number.
func walkBytes(list []byte, f func([]byte) error) (int, error) {
	return walkList(list, protowire.BytesType, func(b []byte) (int, error) { return 1, f(b) })
}
