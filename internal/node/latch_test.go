package node

import "testing"

// Whoever is first, the evaluator's question or training's end: it is told once.
func TestLatchTellsOnce(t *testing.T) {
	for _, endedFirst := range []bool{true, false} {
		var l latch
		told := 0
		tell := func() { told++ }
		if endedFirst {
			l.happen()
		}
		l.on(tell)
		l.on(tell) // its phase said again
		if !endedFirst {
			if told != 0 {
				t.Error("told before the end")
			}
			l.happen()
		}
		l.happen()
		if told != 1 {
			t.Errorf("ended first %v: told %d times", endedFirst, told)
		}
	}
}
