package batches

import (
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"tfos/internal/feed"
)

// TestPace: the clock starts with the first batch, whose rows and whose wait do not
// count. A report is due a second after the one before, or when it is asked for.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ms = time.Millisecond
		var p pace
		for i, step := range []struct {
			after  time.Duration
			rows   int64
			waited time.Duration // in total
			now    bool
			want   *feed.Pace // nil: no report is due
		}{
			{0, 10, 5000 * ms, true, nil},
			{100 * ms, 32, 5030 * ms, false, nil},
			{0, 32, 5030 * ms, true, &feed.Pace{Rows: 64, Seconds: 0.1, Waited: 0.03, Steps: [][2]int64{{0, 1}, {121, 1}}}},
			{899 * ms, 1, 5050 * ms, false, nil},
			{101 * ms, 1, 5070 * ms, false, &feed.Pace{Rows: 66, Seconds: 1.1, Waited: 0.07, Steps: [][2]int64{{0, 1}, {121, 2}, {144, 1}}}},
			{999 * ms, 1, 5070 * ms, false, nil},
		} {
			time.Sleep(step.after)
			p.addBatch(step.rows, step.waited)
			got, due := p.report(step.now)
			if due != (step.want != nil) || due && !reflect.DeepEqual(got, *step.want) {
				t.Errorf("batch %d: %+v, due %t; want %+v", i, got, due, step.want)
			}
		}
	})
}
