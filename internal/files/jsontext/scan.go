package jsontext

import (
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"

	"tfos/internal/files/arrays"
)

// Space is the white space of JSON.
const Space = " \t\r\n"

// Text is a cursor over one JSON text (RFC 8259). It replaces arrow's
// UnmarshalJSON, which is about as fast (BenchmarkJSONReadArrow). UnmarshalJSON
// does not say where a row is damaged. It accepts fixed-size lists of any
// length, and no NaN. It rounds integers beyond 2^53 unless each number is
// boxed.
//
// Beyond the RFC, Text accepts the numbers NaN, Infinity and -Infinity, as
// Spark and Python write them.
type Text struct {
	Bytes   []byte
	At      int
	scratch []byte // for unescaped strings
}

// MaxDepth is the deepest nesting of arrays and objects.
const MaxDepth = 1000

var (
	ErrEnd   = errors.New("the JSON text ends too early")
	ErrDepth = fmt.Errorf("nested deeper than %d", MaxDepth)
)

// Next skips white space and returns the byte at the cursor, or 0 at the end.
// It does not consume the byte.
func (t *Text) Next() byte {
	for ; t.At < len(t.Bytes); t.At++ {
		switch c := t.Bytes[t.At]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// Unexpected returns the error of the text at the cursor.
func (t *Text) Unexpected(wanted string) error {
	if t.At >= len(t.Bytes) {
		return ErrEnd
	}
	return fmt.Errorf("%s where %s should be, %d bytes into the row", arrays.Clip(t.Bytes[t.At:]), wanted, t.At)
}

// takeByte consumes c after white space.
func (t *Text) takeByte(c byte) error {
	if t.Next() != c {
		return t.Unexpected(fmt.Sprintf("%q", c))
	}
	t.At++
	return nil
}

// Word consumes true, false, null, NaN ….
func (t *Text) Word(w string) error {
	if len(t.Bytes)-t.At < len(w) || string(t.Bytes[t.At:t.At+len(w)]) != w {
		return t.Unexpected(w)
	}
	t.At += len(w)
	return nil
}

// End returns an error unless only white space is left.
func (t *Text) End() error {
	if t.Next() != 0 || t.At < len(t.Bytes) {
		return t.Unexpected("the row's end")
	}
	return nil
}

// Str consumes a string and returns it unescaped, valid until the next call. It
// is UTF-8: half a surrogate pair becomes U+FFFD.
func (t *Text) Str() ([]byte, error) {
	if err := t.takeByte('"'); err != nil {
		return nil, err
	}
	start := t.At
	ascii := true
	for ; t.At < len(t.Bytes); t.At++ {
		switch c := t.Bytes[t.At]; {
		case c == '"':
			s := t.Bytes[start:t.At]
			t.At++
			return s, checkUTF8(s, ascii)
		case c == '\\':
			return t.unescapeRest(start)
		case c < ' ':
			return nil, t.Unexpected("an escaped control character")
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return nil, ErrEnd
}

func checkUTF8(s []byte, ascii bool) error {
	if !ascii && !utf8.Valid(s) {
		return fmt.Errorf("the string %s is not UTF-8", arrays.Clip(s))
	}
	return nil
}

// unescapeRest reads the rest of a string that began at start, from its first
// backslash on.
func (t *Text) unescapeRest(start int) ([]byte, error) {
	s := append(t.scratch[:0], t.Bytes[start:t.At]...)
	for t.At < len(t.Bytes) {
		c := t.Bytes[t.At]
		switch {
		case c == '"':
			t.At++
			t.scratch = s
			return s, checkUTF8(s, false)
		case c < ' ':
			return nil, t.Unexpected("an escaped control character")
		case c != '\\':
			s = append(s, c)
			t.At++
			continue
		}
		var err error
		if s, err = t.unescapeOne(s); err != nil {
			return nil, err
		}
	}
	return nil, ErrEnd
}

// unescapeOne consumes one escape sequence and appends its character to s.
func (t *Text) unescapeOne(s []byte) ([]byte, error) {
	if len(t.Bytes)-t.At < 2 {
		return nil, ErrEnd
	}
	c := t.Bytes[t.At+1]
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		return t.unicode(s)
	default:
		return nil, t.Unexpected("an escape sequence")
	}
	t.At += 2
	return append(s, c), nil
}

func (t *Text) unicode(s []byte) ([]byte, error) {
	first, ok := t.hex(t.At)
	if !ok {
		return nil, t.Unexpected("\\uXXXX")
	}
	t.At += 6
	if utf16.IsSurrogate(first) {
		second, _ := t.hex(t.At)
		if first = utf16.DecodeRune(first, second); first != utf8.RuneError {
			t.At += 6
		}
	}
	return utf8.AppendRune(s, first), nil
}

// hex reads \uXXXX at offset i.
func (t *Text) hex(i int) (rune, bool) {
	if len(t.Bytes)-i < 6 || t.Bytes[i] != '\\' || t.Bytes[i+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range t.Bytes[i+2 : i+6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// Number consumes a number and returns its text.
func (t *Text) Number() ([]byte, error) {
	c := t.Next()
	start := t.At
	if c == '-' {
		t.At++
		c = 0
		if t.At < len(t.Bytes) {
			c = t.Bytes[t.At]
		}
	}
	var err error
	switch {
	case c == 'I':
		err = t.Word("Infinity")
	case c == 'N' && t.At == start:
		err = t.Word("NaN")
	case c == '0':
		t.At++
		err = t.fraction()
	default:
		if err = t.digits(); err == nil {
			err = t.fraction()
		}
	}
	return t.Bytes[start:t.At], err
}

// digits consumes at least one digit.
func (t *Text) digits() error {
	start := t.At
	for t.At < len(t.Bytes) && '0' <= t.Bytes[t.At] && t.Bytes[t.At] <= '9' {
		t.At++
	}
	if t.At == start {
		return t.Unexpected("a number")
	}
	return nil
}

func (t *Text) fraction() error {
	if t.At < len(t.Bytes) && t.Bytes[t.At] == '.' {
		t.At++
		if err := t.digits(); err != nil {
			return err
		}
	}
	if t.At < len(t.Bytes) && (t.Bytes[t.At] == 'e' || t.Bytes[t.At] == 'E') {
		t.At++
		if t.At < len(t.Bytes) && (t.Bytes[t.At] == '+' || t.Bytes[t.At] == '-') {
			t.At++
		}
		return t.digits()
	}
	return nil
}

// rawValue consumes any value and returns its text.
func (t *Text) rawValue() ([]byte, error) {
	t.Next()
	start := t.At
	err := t.Skip(0)
	return t.Bytes[start:t.At], err
}

func (t *Text) Skip(depth int) error {
	if depth > MaxDepth {
		return ErrDepth
	}
	switch t.Next() {
	case '"':
		_, err := t.Str()
		return err
	case 't':
		return t.Word("true")
	case 'f':
		return t.Word("false")
	case 'n':
		return t.Word("null")
	case '[':
		return t.Array(func(int) error { return t.Skip(depth + 1) })
	case '{':
		return t.Object(func([]byte) error { return t.Skip(depth + 1) })
	}
	_, err := t.Number()
	return err
}

// Array consumes [ … ]. element consumes the i-th element.
func (t *Text) Array(element func(i int) error) error {
	if err := t.takeByte('['); err != nil {
		return err
	}
	if t.Next() == ']' {
		t.At++
		return nil
	}
	for i := 0; ; i++ {
		if err := element(i); err != nil {
			return err
		}
		switch t.Next() {
		case ',':
			t.At++
		case ']':
			t.At++
			return nil
		default:
			return t.Unexpected(", or ]")
		}
	}
}

// Object consumes { … }. member consumes the value of a key. key is valid until
// member reads a value.
func (t *Text) Object(member func(key []byte) error) error {
	if err := t.takeByte('{'); err != nil {
		return err
	}
	if t.Next() == '}' {
		t.At++
		return nil
	}
	for {
		key, err := t.Str()
		if err == nil {
			err = t.takeByte(':')
		}
		if err == nil {
			err = member(key)
		}
		if err != nil {
			return err
		}
		switch t.Next() {
		case ',':
			t.At++
		case '}':
			t.At++
			return nil
		default:
			return t.Unexpected(", or }")
		}
	}
}
