package node

import "testing"

// Whoever is first, the evaluator's question or training's end: it is told once.
func TestTrainingEndedIsToldOnce(t *testing.T) {
	for _, endedFirst := range []bool{true, false} {
		p, told := newProgramReport(), 0
		tell := func() { told++ }
		if endedFirst {
			p.trainingEnded()
		}
		p.onTrainingEnded(tell)
		p.onTrainingEnded(tell) // its phase said again
		if !endedFirst {
			if told != 0 {
				t.Error("told before the end")
			}
			p.trainingEnded()
		}
		if told != 1 {
			t.Errorf("ended first %v: told %d times", endedFirst, told)
		}
	}
}
