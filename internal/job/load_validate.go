package job

import (
	"fmt"
	"slices"
	"strings"
)

// rules collects the faults of a Spec.
type rules struct {
	s      *Spec
	faults Faults
}

// broken notes a broken rule about a key.
func (r *rules) broken(path string, value any, rule string, args ...any) {
	text := fmt.Sprint(value)
	if text == "" && !r.s.source.given(path) {
		text = "absent"
	}
	r.faults = append(r.faults, r.s.source.faultOf(path, text, fmt.Sprintf(rule, args...)))
}

// atLeast checks a number's lower bound.
func (r *rules) atLeast(path string, value, bound int64) {
	if value < bound {
		r.broken(path, value, "must be %d or more", bound)
	}
}

// between checks a number's bounds.
func (r *rules) between(path string, value, low, high int64) {
	r.atLeast(path, value, low)
	if value > high {
		r.broken(path, value, "must be %d or less", high)
	}
}

// oneOf checks an enumeration.
func (r *rules) oneOf(path, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		hint := ""
		if name := nearest(value, allowed); name != "" && value != "" {
			hint = fmt.Sprintf(" (did you mean %s?)", name)
		}
		r.broken(path, value, "must be one of %s%s", strings.Join(allowed, ", "), hint)
	}
}

// required checks that a text is there.
func (r *rules) required(path, value, why string) bool {
	if value == "" {
		r.broken(path, "", "%s", why)
	}
	return value != ""
}

// validate checks every rule that holds for good; unsupported has those that
// hold until a capability is built. It changes nothing and looks at nothing
// but the Spec.
func (s *Spec) validate() Faults {
	r := &rules{s: s}
	if r.secrets(); len(r.faults) > 0 {
		return r.faults // other rules would name these paths too
	}
	r.name()
	r.resources()
	r.spark()
	r.archives()
	r.timeouts()
	switch s.kind {
	case Train:
		r.app()
		r.cluster()
		r.training()
		r.applicability()
	case Infer:
		r.inference()
	case Export:
		r.export()
	}
	if len(r.faults) > 0 {
		return r.faults // arithmetic on faulty numbers would only repeat them
	}
	if f, ok := s.shortage(); !ok {
		r.faults = append(r.faults, f)
	}
	return r.faults
}
