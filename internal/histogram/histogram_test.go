package histogram

import (
	"encoding/json"
	"math"
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	var fast, slow, all Durations
	for range 98 {
		fast.Add(2 * time.Millisecond)
	}
	for range 2 {
		slow.Add(300 * time.Millisecond)
	}
	all.AddAll(fast)
	all.AddAll(slow)
	for q, want := range map[float64]float64{0.5: 2, 0.98: 2, 0.99: 300, 1: 300} {
		if got := all.Quantile(q); math.Abs(got-want) > want/20 {
			t.Errorf("quantile %g: %g ms, want %g to a tenth", q, got, want)
		}
	}
	if got := Durations(nil).Quantile(0.5); got != 0 {
		t.Errorf("without durations: %g", got)
	}
}

// TestBuckets: the buckets are fixed, because other programs count in them and read them
// as JSON.
func TestBuckets(t *testing.T) {
	var h Durations
	h.Add(0)
	h.Add(time.Microsecond)
	h.Add(10 * time.Millisecond)
	text, err := json.Marshal(h)
	if err != nil || string(text) != `{"0":2,"97":1}` { // round(log(10000, 1.1))
		t.Errorf("%s, %v", text, err)
	}
}
