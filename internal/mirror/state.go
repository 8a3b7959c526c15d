package mirror

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// stateFile is the content of a state file (tensorflow/python/training/
// checkpoint_state.proto, in text format). Names are relative to its folder.
type stateFile struct {
	newest string
	all    []string // oldest first
	times  []string // of all, as they are written; empty: there are none
	rest   []string // lines of other fields, as they are
}

var stateLine = regexp.MustCompile(`^\s*(\w+)\s*:\s*(.+?)\s*$`)

// parseState reads a state file. ok is false if the text names no newest checkpoint.
// Absolute names become relative: those below dir by their path, others, of a folder that
// has been copied, by their last name.
func parseState(text []byte, dir string) (s stateFile, ok bool) {
	for line := range strings.Lines(string(text)) {
		m := stateLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		switch m[1] {
		case "model_checkpoint_path":
			s.newest = relativeName(m[2], dir)
		case "all_model_checkpoint_paths":
			s.all = append(s.all, relativeName(m[2], dir))
		case "all_model_checkpoint_timestamps":
			s.times = append(s.times, m[2])
		default:
			s.rest = append(s.rest, strings.TrimSpace(line))
		}
	}
	if len(s.times) != len(s.all) {
		s.times = nil
	}
	if s.newest != "" && !slices.Contains(s.all, s.newest) {
		s.all, s.times = append(s.all, s.newest), nil
	}
	return s, s.newest != ""
}

// relativeName returns the name that a quoted text holds; "" if it is not one.
func relativeName(quoted, dir string) string {
	name, err := strconv.Unquote(strings.ReplaceAll(quoted, `\'`, `'`)) // Go does not know this escape
	if err != nil {
		return ""
	}
	if !path.IsAbs(name) && !strings.Contains(name, "://") {
		return path.Clean(name)
	}
	if below, ok := strings.CutPrefix(name, strings.TrimSuffix(dir, "/")+"/"); ok {
		return path.Clean(below)
	}
	return path.Base(name)
}

// text is the file's content.
func (s stateFile) text() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "model_checkpoint_path: %q\n", s.newest)
	for _, name := range s.all {
		fmt.Fprintf(&b, "all_model_checkpoint_paths: %q\n", name)
	}
	for _, t := range s.times {
		fmt.Fprintf(&b, "all_model_checkpoint_timestamps: %s\n", t)
	}
	for _, line := range s.rest {
		b.WriteString(line + "\n")
	}
	return []byte(b.String())
}

// only returns s without the checkpoints for which keep is false. The newest is then the
// last that is left, unless keep holds for it.
func (s stateFile) only(keep func(name string) bool) stateFile {
	out := stateFile{newest: s.newest, rest: s.rest}
	for i, name := range s.all {
		if keep(name) {
			out.all = append(out.all, name)
			if len(s.times) > 0 {
				out.times = append(out.times, s.times[i])
			}
		}
	}
	if !slices.Contains(out.all, out.newest) {
		out.newest = ""
		if n := len(out.all); n > 0 {
			out.newest = out.all[n-1]
		}
	}
	return out
}
