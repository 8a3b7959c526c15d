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
	maxLineBytes = 1 << 10 // of such a line, and of a cause
)

var (
	// spark-submit's own "Error: …", log4j's ERROR, and exceptions of Java and
	// Python. A class name may stand before the colon.
	errorLine = regexp.MustCompile(`^Error: |\bERROR\b|^Exception in thread|^[\w.$]*(Error|Exception)\b(:|$)`)
	// An exception's own line. It says more than the log line above it.
	exceptionLine = regexp.MustCompile(`^(Caused by: )?[\w.$]+(Error|Exception): `)
	// Lines of a Java exception after its first line.
	stackLine    = regexp.MustCompile(`^\s+at |^\s*\.\.\. \d+ (more|common frames)|^\s*Suppressed: `)
	causeLine    = regexp.MustCompile(`^Caused by: `)
	logLine      = regexp.MustCompile(`^[\d/:,.T-]+( [\d:,.]+)? [A-Z]+ `)
	logHeader    = regexp.MustCompile(`^[\d/:,.T-]+( [\d:,.]+)? ERROR `)
	optionsLine  = regexp.MustCompile(`^(NOTE: )?Picked up (JDK_JAVA|JAVA_TOOL|_JAVA)_OPTIONS: `)
	threadHeader = regexp.MustCompile(`^Exception in thread "[^"]*" `)
)

// Messages of a JVM that cannot start. The line before noVirtualMachine has the
// reason. The line after noInitialization has it, or sometimes the line before.
const (
	noVirtualMachine = "Error: Could not create the Java Virtual Machine."
	noInitialization = "Error occurred during initialization of VM"
)

// digest extracts from a text what a verdict needs: the first and the last
// error, and the last lines without Java stacks. An error is one line with the
// innermost cause of its exception. Memory use is bounded for any text.
type digest struct {
	first, last string
	tail        []string

	line     []byte // the current line, up to maxLineBytes
	previous string // the previous line
	afterLog bool   // the previous line was an error of log4j or of a JVM
	inStack  bool   // lines since the last error belong to its exception
	outer    string // the first line of that exception
}

// digestFile reads a file as far as possible. It returns a digest even with an
// error, because an unreadable log must not hide a failure.
func digestFile(path string) (*digest, error) {
	d := &digest{}
	f, err := os.Open(path)
	if err != nil {
		return d, err
	}
	defer f.Close()
	_, err = io.Copy(d, f)
	d.flush()
	return d, err
}

// Write adds a piece of the text. It never fails.
func (d *digest) Write(p []byte) (int, error) {
	for rest := p; ; {
		part, after, whole := bytes.Cut(rest, []byte("\n"))
		if room := maxLineBytes - len(d.line); room > 0 {
			d.line = append(d.line, part[:min(len(part), room)]...)
		}
		if !whole {
			return len(p), nil
		}
		d.addLine()
		rest = after
	}
}

// flush adds the text after the last newline as a line.
func (d *digest) flush() {
	if len(d.line) > 0 {
		d.addLine()
	}
}

// addLine evaluates the current line.
func (d *digest) addLine() {
	line := strings.ToValidUTF8(strings.TrimRight(string(d.line), " \t\r"), "�")
	d.line = d.line[:0]
	if optionsLine.MatchString(line) { // a JVM's first line
		return
	}
	before := d.previous
	d.previous = line
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
		d.replaceError(cause)
	case afterLog && exceptionLine.MatchString(exception):
		d.replaceError(strings.TrimRight(d.last, ".: ") + ": " + exception)
		d.outer = d.last
	case line == noVirtualMachine && before != "":
		d.setError(before)
	case line == noInitialization:
		d.setError(line)
		if before != "" && !logLine.MatchString(before) {
			d.replaceError(before)
		}
	case before == noInitialization && d.last == noInitialization:
		d.replaceError(line)
	case errorLine.MatchString(line):
		d.setError(threadHeader.ReplaceAllString(logHeader.ReplaceAllString(line, ""), ""))
		d.afterLog = logHeader.MatchString(line) || strings.HasPrefix(line, "Error: ")
	default:
		d.inStack = false
	}
}

// setError starts a new error.
func (d *digest) setError(text string) {
	d.last, d.outer, d.inStack = text, text, true
	if d.first == "" {
		d.first = text
	}
}

// replaceError replaces the last error by a more precise text.
func (d *digest) replaceError(text string) {
	if d.first == d.last {
		d.first = text
	}
	d.last = text
}
