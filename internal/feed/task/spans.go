package task

import "slices"

// span is the half-open range [first, end) of a partition's rows.
type span struct{ first, end int64 }

func (s span) rows() int64 { return s.end - s.first }

// union makes ascending, disjoint spans of the ranges that members hold: first row
// and rows, in any order.
func union(pairs [][2]int64) []span {
	slices.SortFunc(pairs, func(a, b [2]int64) int { return int(a[0] - b[0]) })
	var spans []span
	for _, p := range pairs {
		s := span{p[0], p[0] + p[1]}
		if n := len(spans); n > 0 && s.first <= spans[n-1].end {
			spans[n-1].end = max(spans[n-1].end, s.end)
		} else {
			spans = append(spans, s)
		}
	}
	return spans
}

// missing is the parts of s that none of spans covers; all of them end after
// s.first.
func missing(spans []span, s span) []span {
	var parts []span
	for _, held := range spans {
		if held.first >= s.end {
			break
		}
		if held.first > s.first {
			parts = append(parts, span{s.first, held.first})
		}
		s.first = max(s.first, held.end)
	}
	if s.first < s.end {
		parts = append(parts, s)
	}
	return parts
}
