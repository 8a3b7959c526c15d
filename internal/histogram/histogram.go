// Package histogram counts durations in buckets that grow by a tenth each.
//
// Programs, engines and the reservation server share it: the first two count how
// long their steps took, the server adds the counts up and reads quantiles. Its
// buckets travel in frames, protobuf messages and JSON. It imports nothing of tfos.
// scripts/tfos/pace.py counts in the same buckets.
package histogram

import (
	"maps"
	"math"
	"slices"
	"time"
)

// growth is the ratio of the durations of neighbouring buckets.
const growth = 1.1

// Durations has, by bucket, how many durations were counted: bucket b holds those of
// about 1.1^b microseconds. The zero value is empty. Not safe for concurrent use.
type Durations map[int]int64

// Add counts a duration. Less than a microsecond counts as one.
func (h *Durations) Add(d time.Duration) {
	if *h == nil {
		*h = Durations{}
	}
	microseconds := max(1, float64(d.Microseconds()))
	(*h)[int(math.Round(math.Log(microseconds)/math.Log(growth)))]++
}

// AddAll adds the counts of other.
func (h *Durations) AddAll(other Durations) {
	if *h == nil {
		*h = Durations{}
	}
	for bucket, n := range other {
		(*h)[bucket] += n
	}
}

// Quantile returns the duration in milliseconds that a share q of all durations did
// not exceed, to a tenth of itself; 0 if none was counted.
func (h Durations) Quantile(q float64) float64 {
	var total, seen int64
	for _, n := range h {
		total += n
	}
	for _, bucket := range slices.Sorted(maps.Keys(h)) {
		seen += h[bucket]
		if float64(seen) >= q*float64(total) {
			return math.Pow(growth, float64(bucket)) / 1000
		}
	}
	return 0
}
