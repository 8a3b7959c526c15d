package node

import (
	"bytes"
	"slices"
	"sync"
)

// tail keeps the last lines of a stream for the report, as plain text and without
// those that TensorFlow writes wherever it starts. Safe for concurrent use.
type tail struct {
	most, width int // lines; bytes of one

	mu    sync.Mutex
	lines []string
}

func newTail(most, width int) *tail { return &tail{most: most, width: width} }

// keep takes in whole lines.
func (t *tail) keep(lines []byte) {
	var found [][]byte
	for line := range bytes.FieldsFuncSeq(lines, func(c rune) bool { return c == '\n' || c == '\r' }) {
		if !isStartupNoise(line) {
			found = append(found, line)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, line := range found[max(0, len(found)-t.most):] {
		if len(line) > t.width {
			line = append(bytes.Clone(line[:t.width]), " ..."...)
		}
		t.lines = append(t.lines, printable(string(line)))
	}
	t.lines = slices.Delete(t.lines, 0, max(0, len(t.lines)-t.most))
}

// last are the last lines, oldest first.
func (t *tail) last() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.lines)
}
