// Package histogram counts durations in buckets. Each bucket is 10 % longer than the
// one before.
//
// Engines count the durations of their steps with it. The reservation server adds the
// counts of all members and computes quantiles. Programs count in the same buckets with
// scripts/tfos/pace.py. Buckets are sent in frames, protobuf messages and JSON. The
// package imports nothing of tfos.
package histogram

import (
	"maps"
	"math"
	"slices"
	"time"
)

// growth is the ratio of the durations of neighbouring buckets.
const growth = 1.1

// Durations maps a bucket to the number of durations in it. Bucket b has durations of
// about 1.1^b microseconds. The zero value is empty. It is not safe for concurrent use.
type Durations map[int]int64

// Add counts a duration. A duration below a microsecond counts as one microsecond.
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

// Quantile returns the duration in milliseconds that the share q of all durations does
// not exceed. It is exact to the width of a bucket, 10 %. Without durations it is 0.
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
