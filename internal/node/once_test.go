package node

import "testing"

// The callback is called once, whether it is registered before or after the event.
func TestOnceCallsOnce(t *testing.T) {
	for _, endedFirst := range []bool{true, false} {
		var o once
		told := 0
		tell := func() { told++ }
		if endedFirst {
			o.markDone()
		}
		o.onDone(tell)
		o.onDone(tell) // its phase said again
		if !endedFirst {
			if told != 0 {
				t.Error("told before the end")
			}
			o.markDone()
		}
		o.markDone()
		if told != 1 {
			t.Errorf("ended first %v: told %d times", endedFirst, told)
		}
	}
}
