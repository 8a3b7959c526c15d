package reserve

import (
	"errors"
	"fmt"
)

// validate reports every fault of a configuration; the launcher made it, so a
// fault is the launcher's.
func (c Config) validate() error {
	var errs []error
	fault := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("reserve: configuration: "+format, args...))
	}
	required := 0
	seen := map[Place]bool{}
	for _, m := range c.Members {
		place := Place{m.Job, m.Index}
		if seen[place] {
			fault("members: %s: named twice", place)
		}
		seen[place] = true
		if m.Required {
			required++
		}
	}
	if required == 0 {
		fault("members: none is required")
	}
	for _, d := range []struct {
		name  string
		value int64
	}{{"reservation_ms", c.ReservationMS}, {"lease_ms", c.LeaseMS}, {"stall_ms", c.StallMS}} {
		if d.value <= 0 {
			fault("%s: %d: must be above 0", d.name, d.value)
		}
	}
	feeds := map[string]bool{}
	for _, f := range c.Feeds {
		if feeds[f.Name] {
			fault("feeds: %s: named twice", f.Name)
		}
		feeds[f.Name] = true
	}
	for _, m := range c.Members {
		for _, name := range m.Feeds {
			if !feeds[name] {
				fault("members: %s: takes feed %q, which there is not", Place{m.Job, m.Index}, name)
			}
		}
	}
	return errors.Join(errs...)
}
