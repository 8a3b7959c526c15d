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
	// Lines of a Java exception below its first.
	stackLine    = regexp.MustCompile(`^\s+at |^\s*\.\.\. \d+ (more|common frames)|^\s*Suppressed: `)
	causeLine    = regexp.MustCompile(`^Caused by: `)
	logLine      = regexp.MustCompile(`^[\d/:,.T-]+( [\d:,.]+)? [A-Z]+ `)
	logHeader    = regexp.MustCompile(`^[\d/:,.T-]+( [\d:,.]+)? ERROR `)
	optionsLine  = regexp.MustCompile(`^(NOTE: )?Picked up (JDK_JAVA|JAVA_TOOL|_JAVA)_OPTIONS: `)
	threadHeader = regexp.MustCompile(`^Exception in thread "[^"]*" `)
)

// What a JVM that cannot start says. noVirtualMachine comes after the line that
// says why, noInitialization before it, and sometimes after another one.
const (
	noVirtualMachine = "Error: Could not create the Java Virtual Machine."
	noInitialization = "Error occurred during initialization of VM"
)

// digest is what a verdict wants of a text that is written to it: its first and
// its last error, each in one line with the innermost cause of its exception,
// and its last lines without Java's stacks. It needs the same memory for any
// text.
type digest struct {
	first, last string
	tail        []string

	line     []byte // not ended yet, as far as it is kept
	before   string // the line before
	afterLog bool   // the line before was log4j's or a JVM's, with an error
	inStack  bool   // lines since the last error are of its exception
	outer    string // that exception's first line
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
	if optionsLine.MatchString(line) { // each JVM's first words
		return
	}
	before := d.before
	d.before = line
	if stackLine.MatchString(line) {
		d.afterLog = false
		return
	}
	if d.tail = append(d.tail, line); len(d.tail) > tailLines {
		d.tail = d.tail[1:]
	}
	afterLog := d.afterLog
	d.afterLog = false
	exception := threadHeader.ReplaceAllString(strings.TrimSpace(line), "")
	switch {
	case d.inStack && causeLine.MatchString(line):
		cause := strings.TrimPrefix(line, "Caused by: ")
		if !strings.Contains(d.outer, cause) {
			cause += " (" + d.outer + ")"
		}
		d.replace(cause)
	case afterLog && exceptionLine.MatchString(exception):
		d.replace(strings.TrimRight(d.last, ".: ") + ": " + exception)
		d.outer = d.last
	case line == noVirtualMachine && before != "":
		d.error(before)
	case line == noInitialization:
		d.error(line)
		if before != "" && !logLine.MatchString(before) {
			d.replace(before)
		}
	case before == noInitialization && d.last == noInitialization:
		d.replace(line)
	case errorLine.MatchString(line):
		d.error(threadHeader.ReplaceAllString(logHeader.ReplaceAllString(line, ""), ""))
		d.afterLog = logHeader.MatchString(line) || strings.HasPrefix(line, "Error: ")
	default:
		d.inStack = false
	}
}

// error takes an error's line.
func (d *digest) error(text string) {
	d.last, d.outer, d.inStack = text, text, true
	if d.first == "" {
		d.first = text
	}
}

// replace says more of the last error.
func (d *digest) replace(text string) {
	if d.first == d.last {
		d.first = text
	}
	d.last = text
}
