package task

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
)

// lineBuffer is how much of a line is decoded at a time, in bytes: a multiple
// of 4, so that base64 can be cut there.
const lineBuffer = 1 << 20

// lines reads what the JVM pipes: one line a record batch message, in base64.
// Before the first one, on the same line, stand the order in base64 and the
// partition's number in decimal, each followed by a space.
//
// Some Spark versions break base64 into short lines that end in "\r\n"; a line
// that ends so goes on with the next.
type lines struct {
	in *bufio.Reader
}

func newLines(in io.Reader) *lines {
	return &lines{in: bufio.NewReaderSize(in, lineBuffer)}
}

// order reads what stands before the first batch. io.EOF: there is no line.
func (l *lines) order() (Order, int, error) {
	var order Order
	word, err := l.word()
	if errors.Is(err, io.EOF) && len(word) == 0 {
		return order, 0, io.EOF
	}
	if err != nil {
		return order, 0, fmt.Errorf("feed: read order: %w", truncated(err))
	}
	text, err := base64.StdEncoding.AppendDecode(nil, word)
	if err == nil {
		err = json.Unmarshal(text, &order)
	}
	if err != nil {
		return order, 0, fmt.Errorf("feed: decode order: %w", err)
	}
	number, err := l.word()
	if err != nil {
		return order, 0, fmt.Errorf("feed: read partition: %w", truncated(err))
	}
	partition, err := strconv.Atoi(string(number))
	if err != nil {
		return order, 0, fmt.Errorf("feed: read partition: %w", err)
	}
	return order, partition, nil
}

// word reads to the next space, without what Spark may break base64 with.
func (l *lines) word() ([]byte, error) {
	word, err := l.in.ReadBytes(' ')
	if err != nil {
		return word, err
	}
	word = bytes.ReplaceAll(word[:len(word)-1], []byte("\r\n"), nil)
	return word, nil
}

// next appends the next message's bytes to buf. io.EOF: there is none.
func (l *lines) next(buf []byte) ([]byte, error) {
	start := len(buf)
	for {
		part, err := l.in.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			if errors.Is(err, io.EOF) && len(part) == 0 && len(buf) == start {
				return buf, io.EOF
			}
			return buf, fmt.Errorf("feed: read batch: %w", truncated(err))
		}
		more := err != nil || bytes.HasSuffix(part, []byte("\r\n"))
		if buf, err = decode(buf, bytes.TrimRight(part, "\r\n")); err != nil {
			return buf, err
		}
		if !more {
			return buf, nil
		}
	}
}

func decode(buf, text []byte) ([]byte, error) {
	buf, err := base64.StdEncoding.AppendDecode(grow(buf, base64.StdEncoding.DecodedLen(len(text))), text)
	if err != nil {
		return buf, fmt.Errorf("feed: decode batch: %w", err)
	}
	return buf, nil
}

// grow makes room for n more bytes; it doubles, because slices.Grow's quarter
// copies a large message many times.
func grow(buf []byte, n int) []byte {
	if cap(buf)-len(buf) < n {
		return slices.Grow(buf, max(n, len(buf)))
	}
	return buf
}

func truncated(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
