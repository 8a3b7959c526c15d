package launch

import (
	"bytes"
	"io"
	"os"
	"regexp"
	"strings"
)

const (
	tailLines    = 20      // of a log, in a verdict
	maxLineBytes = 1 << 10 // of one such line, and of a cause
)

var (
	// spark-submit's own "Error: …", log4j's ERROR, Java's and Python's
	// exceptions; a class name may stand before the colon.
	errorLine = regexp.MustCompile(`^Error: |\bERROR\b|^Exception in thread|^[\w.$]*(Error|Exception)\b(:|$)`)
	// An exception's own line, which says more than the log line above it.
	exceptionLine = regexp.MustCompile(`^(Caused by: )?[\w.$]+(Error|Exception): `)
	logHeader     = regexp.MustCompile(`^[\d/:,.T-]+( [\d:,.]+)? ERROR `)
	threadHeader  = regexp.MustCompile(`^Exception in thread "[^"]*" `)
)

// digest is what a verdict wants of a text that is written to it: its first and
// its last error, each in one line, and its last lines. It needs the same
// memory for any text.
type digest struct {
	first, last string
	tail        []string

	line     []byte // not ended yet, as far as it is kept
	afterLog bool   // the line before was log4j's, with an error
}

// digestFile reads a file as far as it can be read: it serves the judgement of
// a failure, and must not become one.
func digestFile(path string) (*digest, error) {
	d := &digest{}
	f, err := os.Open(path)
	if err != nil {
		return d, err
	}
	defer f.Close()
	_, err = io.Copy(d, f)
	d.end()
	return d, err
}

// Write takes a piece of the text. It does not fail.
func (d *digest) Write(p []byte) (int, error) {
	for rest := p; ; {
		part, after, whole := bytes.Cut(rest, []byte("\n"))
		if room := maxLineBytes - len(d.line); room > 0 {
			d.line = append(d.line, part[:min(len(part), room)]...)
		}
		if !whole {
			return len(p), nil
		}
		d.add()
		rest = after
	}
}

// end takes what stands after the last newline.
func (d *digest) end() {
	if len(d.line) > 0 {
		d.add()
	}
}

// add takes the line.
func (d *digest) add() {
	line := strings.ToValidUTF8(strings.TrimRight(string(d.line), " \t\r"), "�")
	d.line = d.line[:0]
	if d.tail = append(d.tail, line); len(d.tail) > tailLines {
		d.tail = d.tail[1:]
	}
	afterLog := d.afterLog
	d.afterLog = false
	if afterLog && exceptionLine.MatchString(line) {
		d.extend(line)
		return
	}
	if !errorLine.MatchString(line) {
		return
	}
	d.afterLog = logHeader.MatchString(line)
	d.last = threadHeader.ReplaceAllString(logHeader.ReplaceAllString(line, ""), "")
	if d.first == "" {
		d.first = d.last
	}
}

// extend puts the exception after the log line that announced it.
func (d *digest) extend(exception string) {
	both := strings.TrimRight(d.last, ".: ") + ": " + exception
	if d.first == d.last {
		d.first = both
	}
	d.last = both
}
