package files

import (
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonText is a cursor over one JSON text (RFC 8259). It is an own one because
// arrow's UnmarshalJSON, about as fast (BenchmarkJSONReadArrow), does not say
// where a row is damaged, takes fixed-size lists of any length and no NaN, and
// rounds integers beyond 2^53 unless each number is boxed.
//
// Beyond the RFC it takes the numbers NaN, Infinity and -Infinity, as Spark and
// Python write them.
type jsonText struct {
	b       []byte
	i       int
	scratch []byte // of unescaped strings
}

// jsonDepth is how deep arrays and objects may be nested.
const jsonDepth = 1000

var (
	errJSONEnd   = errors.New("the JSON text ends too early")
	errJSONDepth = fmt.Errorf("nested deeper than %d", jsonDepth)
)

// next skips white space and returns the byte before the cursor; 0 at the end.
func (t *jsonText) next() byte {
	for ; t.i < len(t.b); t.i++ {
		switch c := t.b[t.i]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// unexpected is the error of what stands at the cursor.
func (t *jsonText) unexpected(wanted string) error {
	if t.i >= len(t.b) {
		return errJSONEnd
	}
	return fmt.Errorf("%s where %s should be, %d bytes into the row", clip(t.b[t.i:]), wanted, t.i)
}

// clip quotes the beginning of b for an error.
func clip(b []byte) string {
	const most = 20
	if len(b) > most {
		return fmt.Sprintf("%q…", b[:most])
	}
	return fmt.Sprintf("%q", b)
}

// take consumes c after white space.
func (t *jsonText) take(c byte) error {
	if t.next() != c {
		return t.unexpected(fmt.Sprintf("%q", c))
	}
	t.i++
	return nil
}

// word consumes true, false, null, NaN …
func (t *jsonText) word(w string) error {
	if len(t.b)-t.i < len(w) || string(t.b[t.i:t.i+len(w)]) != w {
		return t.unexpected(w)
	}
	t.i += len(w)
	return nil
}

// end checks that only white space is left.
func (t *jsonText) end() error {
	if t.next() != 0 || t.i < len(t.b) {
		return t.unexpected("the row's end")
	}
	return nil
}

// str consumes a string and returns it unescaped; it is valid until the next
// call, and is UTF-8: half a surrogate pair becomes U+FFFD.
func (t *jsonText) str() ([]byte, error) {
	if err := t.take('"'); err != nil {
		return nil, err
	}
	start := t.i
	ascii := true
	for ; t.i < len(t.b); t.i++ {
		switch c := t.b[t.i]; {
		case c == '"':
			s := t.b[start:t.i]
			t.i++
			return s, checkText(s, ascii)
		case c == '\\':
			return t.escaped(start)
		case c < ' ':
			return nil, t.unexpected("an escaped control character")
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return nil, errJSONEnd
}

func checkText(s []byte, ascii bool) error {
	if !ascii && !utf8.Valid(s) {
		return fmt.Errorf("the string %s is not UTF-8", clip(s))
	}
	return nil
}

// escaped goes on with a string that began at start, at its first backslash.
func (t *jsonText) escaped(start int) ([]byte, error) {
	s := append(t.scratch[:0], t.b[start:t.i]...)
	for t.i < len(t.b) {
		c := t.b[t.i]
		switch {
		case c == '"':
			t.i++
			t.scratch = s
			return s, checkText(s, false)
		case c < ' ':
			return nil, t.unexpected("an escaped control character")
		case c != '\\':
			s = append(s, c)
			t.i++
			continue
		}
		var err error
		if s, err = t.escape(s); err != nil {
			return nil, err
		}
	}
	return nil, errJSONEnd
}

// escape consumes one escape sequence.
func (t *jsonText) escape(s []byte) ([]byte, error) {
	if len(t.b)-t.i < 2 {
		return nil, errJSONEnd
	}
	c := t.b[t.i+1]
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
		return nil, t.unexpected("an escape sequence")
	}
	t.i += 2
	return append(s, c), nil
}

func (t *jsonText) unicode(s []byte) ([]byte, error) {
	first, ok := t.hex(t.i)
	if !ok {
		return nil, t.unexpected("\\uXXXX")
	}
	t.i += 6
	if utf16.IsSurrogate(first) {
		second, _ := t.hex(t.i)
		if first = utf16.DecodeRune(first, second); first != utf8.RuneError {
			t.i += 6
		}
	}
	return utf8.AppendRune(s, first), nil
}

// hex reads \uXXXX at i.
func (t *jsonText) hex(i int) (rune, bool) {
	if len(t.b)-i < 6 || t.b[i] != '\\' || t.b[i+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range t.b[i+2 : i+6] {
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

// number consumes a number and returns its text.
func (t *jsonText) number() ([]byte, error) {
	c := t.next()
	start := t.i
	if c == '-' {
		t.i++
		c = 0
		if t.i < len(t.b) {
			c = t.b[t.i]
		}
	}
	var err error
	switch {
	case c == 'I':
		err = t.word("Infinity")
	case c == 'N' && t.i == start:
		err = t.word("NaN")
	case c == '0':
		t.i++
		err = t.fraction()
	default:
		if err = t.digits(); err == nil {
			err = t.fraction()
		}
	}
	return t.b[start:t.i], err
}

// digits consumes one digit at least.
func (t *jsonText) digits() error {
	start := t.i
	for t.i < len(t.b) && '0' <= t.b[t.i] && t.b[t.i] <= '9' {
		t.i++
	}
	if t.i == start {
		return t.unexpected("a number")
	}
	return nil
}

func (t *jsonText) fraction() error {
	if t.i < len(t.b) && t.b[t.i] == '.' {
		t.i++
		if err := t.digits(); err != nil {
			return err
		}
	}
	if t.i < len(t.b) && (t.b[t.i] == 'e' || t.b[t.i] == 'E') {
		t.i++
		if t.i < len(t.b) && (t.b[t.i] == '+' || t.b[t.i] == '-') {
			t.i++
		}
		return t.digits()
	}
	return nil
}

// value consumes any value and returns its text.
func (t *jsonText) value() ([]byte, error) {
	t.next()
	start := t.i
	err := t.skip(0)
	return t.b[start:t.i], err
}

func (t *jsonText) skip(depth int) error {
	if depth > jsonDepth {
		return errJSONDepth
	}
	switch t.next() {
	case '"':
		_, err := t.str()
		return err
	case 't':
		return t.word("true")
	case 'f':
		return t.word("false")
	case 'n':
		return t.word("null")
	case '[':
		return t.array(func(int) error { return t.skip(depth + 1) })
	case '{':
		return t.object(func([]byte) error { return t.skip(depth + 1) })
	}
	_, err := t.number()
	return err
}

// array consumes [ … ]; element consumes the i-th one.
func (t *jsonText) array(element func(i int) error) error {
	if err := t.take('['); err != nil {
		return err
	}
	if t.next() == ']' {
		t.i++
		return nil
	}
	for i := 0; ; i++ {
		if err := element(i); err != nil {
			return err
		}
		switch t.next() {
		case ',':
			t.i++
		case ']':
			t.i++
			return nil
		default:
			return t.unexpected(", or ]")
		}
	}
}

// object consumes { … }; member consumes the value of a key, which is valid
// until then.
func (t *jsonText) object(member func(key []byte) error) error {
	if err := t.take('{'); err != nil {
		return err
	}
	if t.next() == '}' {
		t.i++
		return nil
	}
	for {
		key, err := t.str()
		if err == nil {
			err = t.take(':')
		}
		if err == nil {
			err = member(key)
		}
		if err != nil {
			return err
		}
		switch t.next() {
		case ',':
			t.i++
		case '}':
			t.i++
			return nil
		default:
			return t.unexpected(", or }")
		}
	}
}
