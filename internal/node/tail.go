package node

import (
	"bytes"
	"slices"
	"sync"
)

// tail keeps the last lines of a stream for the report, as plain text. It skips
// TensorFlow's startup noise. It is safe for concurrent use.
type tail struct {
	maxLines, maxBytes int  // number of lines, bytes of a line
	errors             bool // standard error: the last fatal line is kept too

	mu    sync.Mutex
	lines []string
	fatal string // the last one; "": none
}

func newTail(maxLines, maxBytes int) *tail {
	return &tail{maxLines: maxLines, maxBytes: maxBytes}
}

func newErrorTail(maxLines, maxBytes int) *tail {
	return &tail{maxLines: maxLines, maxBytes: maxBytes, errors: true}
}

// addLines adds whole lines.
func (t *tail) addLines(lines []byte) {
	var found [][]byte
	for line := range bytes.FieldsFuncSeq(lines, func(c rune) bool { return c == '\n' || c == '\r' }) {
		if !isStartupNoise(line) {
			found = append(found, line)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, line := range found {
		last := i >= len(found)-t.maxLines
		if len(line) > t.maxBytes {
			line = append(bytes.Clone(line[:t.maxBytes]), " ..."...)
		}
		if t.errors && isFatal(line) {
			t.fatal = printable(string(line))
		}
		if last {
			t.lines = append(t.lines, printable(string(line)))
		}
	}
	t.lines = slices.Delete(t.lines, 0, max(0, len(t.lines)-t.maxLines))
}

// lastLines returns the last lines, oldest first. A fatal line that came before them
// is the first element: the stacks that follow it may be long.
func (t *tail) lastLines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fatal != "" && !slices.Contains(t.lines, t.fatal) {
		return append([]string{t.fatal}, t.lines...)
	}
	return slices.Clone(t.lines)
}
