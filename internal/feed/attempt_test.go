package feed

import (
	"errors"
	"testing"
)

// TestAttemptIsAssigned: the first member that a task greets numbers attempts
// of tasks that do not know their own. The later attempt replaces the earlier
// one on all members.
func TestAttemptIsAssigned(t *testing.T) {
	members := twoMembers(t, trainConfig())
	hello := func(m *testMember, attempt int64) (Welcome, error) {
		t.Helper()
		conn, err := unixDialer(m.feeders)()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		var w Welcome
		err = WriteJSON(conn, TypeHello, Hello{Version: Version, Token: testToken, Feed: "train", Attempt: attempt})
		if err != nil {
			t.Fatal(err)
		}
		return w, ReadJSON(conn, TypeWelcome, &w)
	}
	welcome := func(m *testMember, attempt, want int64) {
		t.Helper()
		if w, err := hello(m, attempt); err != nil || w.Attempt != want {
			t.Fatalf("attempt %d of HELLO %d, want %d: %v", w.Attempt, attempt, want, err)
		}
	}
	welcome(members[0], 0, 1) // an early task
	welcome(members[0], 0, 2) // a later one overtakes it
	welcome(members[1], 2, 2)
	if _, err := hello(members[1], 1); err == nil {
		t.Error("the early task was welcome at the second member after the later one")
	}
	eventually(t, "two ended attempts", func() bool {
		return len(members[0].feederErrors()) == 1 && len(members[1].feederErrors()) == 1
	})
	for _, m := range members {
		if err := m.feederErrors()[0]; !errors.Is(err, ErrFenced) {
			t.Error(err)
		}
	}
	welcome(members[1], 7, 7) // Spark's own number
	welcome(members[1], 0, 8)
}

// TestRacingAttemptsAreOrdered: many unnumbered attempts at once. Every row
// arrives once, and the last attempt to greet the first member succeeds.
func TestRacingAttemptsAreOrdered(t *testing.T) {
	members := twoMembers(t, trainConfig())
	seen := newSeenRows()
	var consumers []*consumer
	for _, m := range members {
		consumers = append(consumers, consume(t, m, "train", seen, nil))
	}
	const rows, attempts = 4_000, 12
	ended := make(chan error, attempts)
	for range attempts {
		go func() {
			task := &testTask{hello: Hello{Feed: "train"}, chunkRows: 20, rowBytes: 100, slack: 40}
			err := task.greet(unixDialer(members[0].feeders), unixDialer(members[1].feeders))
			if err == nil {
				err = task.run(t.Context(), rows)
			}
			ended <- err
		}()
	}
	good := 0
	for range attempts {
		if err := <-ended; err == nil {
			good++
		}
	}
	if good == 0 {
		t.Error("no attempt went through")
	}
	endFeed(t, members, "train", 0, true)
	for _, c := range consumers {
		c.wait(t)
	}
	seen.check(t, 1, 1, rows)
	checkBalance(t, members, "train", rows, rows)
}
