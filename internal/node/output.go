package node

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	// longestLine is the longest line of the log, in bytes. A longer line is split.
	longestLine = 64 << 10

	// The number of last lines of a stream in a report, and the bytes of a line. Of
	// standard output only results matter. Standard error must have room for a whole
	// traceback.
	stdoutLines, stdoutWidth = 10, 200
	stderrLines, stderrWidth = 40, 500
)

// output copies a child's standard output and error. Whole lines go to the log file and
// to the supervisor's own standard error, which Spark keeps. The last lines of each
// stream stay in memory. Several copies may run at the same time.
type output struct {
	path  string       // of the log file, absolute, or the URL of its page; "": there is none
	bytes atomic.Int64 // read from the child so far; counts as progress

	// There are two locks, so that a blocked forward delays neither the report nor the
	// log.
	forwarding sync.Mutex
	forward    io.Writer
	logging    sync.Mutex
	log        *os.File // nil: there is none
	unfinished bool     // the log's last line has no newline yet

	stdout, stderr *tail
}

// logPlace is where a log may be: its path on this host, and its name in reports.
type logPlace struct{ path, shown string }

// logPlaces returns where the log of a child may be, the best place first:
//
//   - in dir, the job's own folder of logs, if it has one
//   - in the folder of the container's logs, if YARN has one: YARN keeps these files after the
//     container's end, and its NodeManager shows them. Other files are deleted then
//   - in files, the member's working folder
func logPlaces(dir, files, name string, env func(string) string) []logPlace {
	var places []logPlace
	add := func(path string) { places = append(places, logPlace{path, path}) }
	if dir != "" {
		add(filepath.Join(dir, name+".log"))
	}
	name = "tfos-" + name + ".log"
	if dirs := env("LOG_DIRS"); dirs != "" && env("CONTAINER_ID") != "" {
		first, _, _ := strings.Cut(dirs, ",")
		page := (&url.URL{Scheme: "http", Host: env("NM_HOST") + ":" + env("NM_HTTP_PORT"),
			Path: path.Join("/node/containerlogs", env("CONTAINER_ID"), env("USER"), name)}).String()
		places = append(places, logPlace{filepath.Join(first, name), page})
	}
	add(filepath.Join(files, name))
	return places
}

// openOutput opens the log of a child for appending, in the first of places that can be
// written. If none can, there is no log: the child runs nevertheless, and openOutput logs a
// warning.
func openOutput(places []logPlace, forward io.Writer, logger *slog.Logger) *output {
	o := &output{forward: forward, stdout: newTail(stdoutLines, stdoutWidth), stderr: newErrorTail(stderrLines, stderrWidth)}
	for _, place := range places {
		log, err := openLog(place.path)
		if err != nil {
			logger.Warn("node: open the child's log", "path", place.path, "error", err)
			continue
		}
		o.log, o.path = log, place.shown
		return o
	}
	return o
}

func openLog(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
}

// copyFrom copies r to the log and to standard error until r ends, and adds its
// lines to last. A line ends with '\n' or '\r': progress bars use only '\r'.
func (o *output) copyFrom(r io.Reader, last *tail) {
	buffer := make([]byte, longestLine)
	pending := 0
	for {
		n, err := r.Read(buffer[pending:])
		o.bytes.Add(int64(n))
		pending += n
		whole := bytes.LastIndexAny(buffer[:pending], "\r\n") + 1
		if err != nil || (whole == 0 && pending == len(buffer)) {
			whole = pending
		}
		if whole > 0 {
			last.addLines(buffer[:whole])
			o.write(buffer[:whole])
			pending = copy(buffer, buffer[whole:pending])
		}
		if err != nil {
			return
		}
	}
}

func (o *output) write(lines []byte) {
	o.writeLog(lines)
	o.forwarding.Lock()
	defer o.forwarding.Unlock()
	_, _ = o.forward.Write(lines) // ignores errors: the executor's end must not end the child
}

func (o *output) writeLog(lines []byte) {
	o.logging.Lock()
	defer o.logging.Unlock()
	if o.log != nil && len(lines) > 0 {
		_, _ = o.log.Write(lines) // ignores errors: a full disk must not end the child
		o.unfinished = lines[len(lines)-1] != '\n'
	}
}

// writeTitle writes a line of the supervisor into the log.
func (o *output) writeTitle(format string, args ...any) {
	o.logging.Lock()
	before := ""
	if o.unfinished { // the program's last line may lack its newline
		before = "\n"
	}
	o.logging.Unlock()
	o.writeLog(fmt.Appendf(nil, before+"--- "+format+"\n", args...))
}

func (o *output) close() error {
	o.logging.Lock()
	defer o.logging.Unlock()
	if o.log == nil {
		return nil
	}
	log := o.log
	o.log = nil
	if err := log.Close(); err != nil {
		return fmt.Errorf("node: close the child's log: %w", err)
	}
	return nil
}
