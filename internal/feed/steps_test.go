package feed

import "testing"

func TestStepGate(t *testing.T) {
	yes, no, later := [2]bool{true, true}, [2]bool{false, true}, [2]bool{false, false}
	for name, test := range map[string]struct {
		gate stepGate
		step int64
		want [2]bool
	}{
		"not synchronous":         {stepGate{}, 9, yes},
		"at the mark":             {stepGate{synchronous: true, batchRows: 10, lowWater: 3}, 3, yes},
		"above the mark":          {stepGate{synchronous: true, batchRows: 10, lowWater: 3}, 4, later},
		"above the final mark":    {stepGate{synchronous: true, batchRows: 10, lowWater: 3, final: true}, 4, no},
		"at the final mark":       {stepGate{synchronous: true, batchRows: 10, lowWater: 3, final: true}, 3, yes},
		"within the quota":        {stepGate{synchronous: true, batchRows: 10, quotaRows: 49, lowWater: 3}, 4, later},
		"beyond the quota":        {stepGate{synchronous: true, batchRows: 10, quotaRows: 49, lowWater: 3}, 5, no},
		"the quota's last step":   {stepGate{synchronous: true, batchRows: 10, quotaRows: 50, lowWater: 3}, 5, later},
		"below a mark, no quota":  {stepGate{synchronous: true, batchRows: 10, lowWater: 3, final: true}, 1, yes},
		"the first, without rows": {stepGate{synchronous: true, batchRows: 10}, 1, later},
	} {
		if permitted, decided := test.gate.decide(test.step); [2]bool{permitted, decided} != test.want {
			t.Errorf("%s: permitted %t, decided %t", name, permitted, decided)
		}
	}
}

// TestLowWaterRises: an old message changes nothing.
func TestLowWaterRises(t *testing.T) {
	g := newStepGate(Config{Synchronous: true, BatchRows: 10}, 0)
	g.raiseLowWater(5, true)
	g.raiseLowWater(3, false)
	if g.lowWater != 5 || !g.final {
		t.Errorf("%+v", g)
	}
	if got := []int64{g.stepsIn(9), g.stepsIn(10), g.stepsIn(29)}; got[0] != 0 || got[1] != 1 || got[2] != 2 {
		t.Errorf("steps %v in 9, 10 and 29 rows", got)
	}
	none := newStepGate(Config{}, 0)
	if none.stepsIn(100) != 0 {
		t.Error("steps are counted without a batch size")
	}
}
