package feed

import (
	"math/rand/v2"
	"testing"
)

// TestRangesAgainstBitmap adds random spans to the set and to a bitmap.
func TestRangesAgainstBitmap(t *testing.T) {
	const size = 200
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		var set ranges
		var bits [size]bool
		for range 60 {
			first := random.Int64N(size - 20)
			s := span{first, first + 1 + random.Int64N(20)}
			var want int64
			for i := s.first; i < s.end; i++ {
				if bits[i] {
					want++
				}
			}
			if got := set.overlap(s); got != want {
				t.Fatalf("seed %d: overlap of %v with %v: %d, want %d", seed, s, set.spans, got, want)
			}
			set.addSpan(s)
			for i := s.first; i < s.end; i++ {
				bits[i] = true
			}
			checkSpans(t, set, bits[:])
		}
	}
}

func checkSpans(t *testing.T, set ranges, bits []bool) {
	t.Helper()
	got := make([]bool, len(bits))
	end := int64(-1)
	for _, s := range set.spans {
		if s.first <= end || s.end <= s.first {
			t.Fatalf("not ascending and apart: %v", set.spans)
		}
		end = s.end
		for i := s.first; i < s.end; i++ {
			got[i] = true
		}
	}
	for i := range bits {
		if got[i] != bits[i] {
			t.Fatalf("row %d: %t, want %t in %v", i, got[i], bits[i], set.spans)
		}
	}
}
