package reserve

import "tfos/internal/infer"

// extent is how much an inference run computes; zero for other runs.
type extent struct{ splits, bytes int64 }

// Expect says what is to be computed, for the run's progress.
func (r *Roster) Expect(splits []infer.Split) {
	for _, s := range splits {
		r.extent.splits++
		r.extent.bytes += s.Length
	}
}
