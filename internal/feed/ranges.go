package feed

import "sort"

// span is the half-open range [first, end) of a partition's rows.
type span struct{ first, end int64 }

func (s span) rows() int64 { return s.end - s.first }

// ranges is a set of rows: ascending, disjoint, never touching spans.
type ranges struct{ spans []span }

// overlap returns how many rows of s are in the set.
func (r *ranges) overlap(s span) int64 {
	var n int64
	for i := r.indexAfter(s.first); i < len(r.spans) && r.spans[i].first < s.end; i++ {
		n += min(s.end, r.spans[i].end) - max(s.first, r.spans[i].first)
	}
	return n
}

// addSpan adds s to the set and merges it with spans that it touches. Rows
// usually come in order. Then this appends a span or extends the last one.
func (r *ranges) addSpan(s span) {
	lo := sort.Search(len(r.spans), func(i int) bool { return r.spans[i].end >= s.first })
	hi := lo
	for hi < len(r.spans) && r.spans[hi].first <= s.end {
		s.first = min(s.first, r.spans[hi].first)
		s.end = max(s.end, r.spans[hi].end)
		hi++
	}
	if lo == hi {
		r.spans = append(r.spans, span{})
		copy(r.spans[lo+1:], r.spans[lo:])
		r.spans[lo] = s
		return
	}
	r.spans[lo] = s
	r.spans = append(r.spans[:lo+1], r.spans[hi:]...)
}

// pairs returns the set in the form of WELCOME: first row, number of rows.
func (r *ranges) pairs() [][2]int64 {
	out := make([][2]int64, 0, len(r.spans))
	for _, s := range r.spans {
		out = append(out, [2]int64{s.first, s.rows()})
	}
	return out
}

// indexAfter returns the index of the first span that ends after row.
func (r *ranges) indexAfter(row int64) int {
	return sort.Search(len(r.spans), func(i int) bool { return r.spans[i].end > row })
}
