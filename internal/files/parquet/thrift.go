package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// errShort means that the bytes end within a value.
var errShort = errors.New("it ends within a header")

// Types of Thrift's compact protocol.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
)

// maxThriftDepth bounds nesting. No parquet header is that deep.
const maxThriftDepth = 16

// thrift reads Thrift's compact protocol
// (github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md),
// as far as parquet's page headers need it.
type thrift struct {
	b     []byte
	at    int
	depth int
}

func (t *thrift) uvarint() (uint64, error) {
	v, n := binary.Uvarint(t.b[t.at:])
	if n == 0 {
		return 0, errShort
	}
	if n < 0 {
		return 0, errors.New("a number in a header is too long")
	}
	t.at += n
	return v, nil
}

func (t *thrift) int() (int64, error) {
	v, err := t.uvarint()
	return int64(v>>1) ^ -int64(v&1), err
}

func (t *thrift) int32() (int32, error) {
	v, err := t.int()
	if err == nil && v != int64(int32(v)) {
		err = fmt.Errorf("%d in a header is no 32-bit number", v)
	}
	return int32(v), err
}

func (t *thrift) byte() (byte, error) {
	if t.at >= len(t.b) {
		return 0, errShort
	}
	t.at++
	return t.b[t.at-1], nil
}

func (t *thrift) skipBytes(n uint64) error {
	if n > uint64(len(t.b)-t.at) {
		return errShort
	}
	t.at += int(n)
	return nil
}

// fields calls field for each field of a struct. field reads the value, or
// returns false to skip it.
func (t *thrift) fields(field func(id int16, kind byte) (bool, error)) error {
	var id int16
	for {
		head, err := t.byte()
		if err != nil || head == 0 {
			return err
		}
		if delta := head >> 4; delta != 0 {
			id += int16(delta)
		} else {
			v, err := t.int()
			if err != nil {
				return err
			}
			id = int16(v)
		}
		read, err := field(id, head&15)
		if err == nil && !read {
			err = t.skip(head & 15)
		}
		if err != nil {
			return err
		}
	}
}

// skip skips a value.
func (t *thrift) skip(kind byte) error {
	if t.depth++; t.depth > maxThriftDepth {
		return errors.New("a header is nested too deeply")
	}
	defer func() { t.depth-- }()
	switch {
	case kind == thriftTrue || kind == thriftFalse:
		return nil
	case kind == thriftByte:
		return t.skipBytes(1)
	case kind > thriftByte && kind <= thriftI64:
		_, err := t.uvarint()
		return err
	case kind == thriftDouble:
		return t.skipBytes(8)
	case kind == thriftBinary:
		n, err := t.uvarint()
		if err != nil {
			return err
		}
		return t.skipBytes(n)
	case kind == thriftList || kind == thriftSet:
		return t.skipList()
	case kind == thriftStruct:
		return t.fields(func(int16, byte) (bool, error) { return false, nil })
	}
	return fmt.Errorf("a header has a value of the unknown type %d", kind)
}

func (t *thrift) skipList() error {
	head, err := t.byte()
	if err != nil {
		return err
	}
	n, kind := uint64(head>>4), head&15
	if n == 15 {
		if n, err = t.uvarint(); err != nil {
			return err
		}
	}
	if kind == thriftTrue || kind == thriftFalse {
		return t.skipBytes(n)
	}
	for range n {
		if t.at >= len(t.b) {
			return errShort
		}
		if err := t.skip(kind); err != nil {
			return err
		}
	}
	return nil
}
