package job

import (
	"strings"

	"tfos/internal/exit"
)

// source is where the values of a Spec come from.
type source struct {
	file  string         // as the user named it; "" when there is none
	flags []string       // texts of --set and flags, in their order
	lines map[string]int // key -> line in file, or -(1+i) for flags[i]
}

// given tells whether the user gave a key, rather than a default.
func (s *source) given(path string) bool { _, ok := s.lines[path]; return ok }

// faultAt makes a fault of the job file. A negative line is a flag.
func (s *source) faultAt(line int, path, value, rule string) Fault {
	f := Fault{Path: path, Value: value, Rule: rule, Code: exit.Usage}
	if line < 0 {
		f.File, f.order = s.flags[-line-1], -line
		return f
	}
	f.File, f.Line = s.file, line
	return f
}

// faultOf makes a fault about a key: at its line, or where its nearest parent is.
func (s *source) faultOf(path, value, rule string) Fault {
	for at := path; at != ""; at = parent(at) {
		if line, ok := s.lines[at]; ok {
			return s.faultAt(line, path, value, rule)
		}
	}
	if s.file == "" {
		return Fault{Path: path, Value: value, Rule: rule, Code: exit.Usage}
	}
	return s.faultAt(1, path, value, rule)
}

func parent(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
