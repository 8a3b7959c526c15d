package feed

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// sharing is a hand-made feed task that writes into slots.
type sharing struct {
	t      testing.TB
	conn   net.Conn
	memory *os.File
	slots  []int
	next   int64 // row
}

// startSharing greets a member and sends the schema.
func startSharing(t testing.TB, m *testMember, attempt int64) *sharing {
	t.Helper()
	conn, err := unixDialer(m.feeders)()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(deadline))
	var w Welcome
	hello := Hello{Version: Version, Token: testToken, Feed: "train", Attempt: attempt, Shared: true}
	if err := errors.Join(WriteJSON(conn, TypeHello, hello), ReadJSON(conn, TypeWelcome, &w)); err != nil {
		t.Fatal(err)
	}
	if w.Shared == nil {
		t.Fatal("no memory is offered")
	}
	file, err := os.OpenFile(w.Shared.Path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	if err := WriteFrame(conn, TypeSchema, []byte("schema")); err != nil {
		t.Fatal(err)
	}
	return &sharing{t: t, conn: conn, memory: file}
}

// listen reads frames until one of type typ arrives.
func (s *sharing) listen(typ byte) {
	s.t.Helper()
	for {
		got, payload, err := ReadFrame(s.conn)
		if err != nil {
			s.t.Fatal(err)
		}
		if got == TypeSlot {
			slot, err := DecodeSlot(payload)
			if err != nil {
				s.t.Fatal(err)
			}
			s.slots = append(s.slots, slot)
		}
		if got == typ {
			return
		}
	}
}

// place writes a chunk of ten rows into a slot, and waits for its
// acknowledgement.
func (s *sharing) place(text string) {
	s.t.Helper()
	for len(s.slots) == 0 {
		s.listen(TypeSlot)
	}
	slot := s.slots[0]
	s.slots = s.slots[1:]
	if _, err := s.memory.WriteAt([]byte(text), int64(slot)*slotBytes); err != nil {
		s.t.Fatal(err)
	}
	s.say(TypePlaced, Placed{First: s.next, Rows: 10, Slot: slot, Bytes: int64(len(text))}.Encode())
	s.next += 10
	s.listen(TypeAck)
}

func (s *sharing) say(typ byte, payload []byte) {
	s.t.Helper()
	if err := WriteFrame(s.conn, typ, payload); err != nil {
		s.t.Fatal(err)
	}
}

// end sends END and closes the connection.
func (s *sharing) end() {
	s.t.Helper()
	s.say(TypeEnd, []byte("{}"))
	s.listen(TypeEnded)
	_ = s.conn.Close()
}

// empty returns the number of empty slots.
func (m *testMember) empty(feed string) int {
	q := m.Receiver.feeds[feed]
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.slots.empty)
}

// TestPlacedChunks: a program that cannot read slots gets their bytes, and
// slots are used again and again.
func TestPlacedChunks(t *testing.T) {
	m := newTestMember(t, 0, trainConfig())
	in, err := openChunks(t.Context(), m.children, "train", NextChunks{Feed: "train", Chunks: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	task := startSharing(t, m, 1)
	for i := range 3 * slotCount {
		text := string(bytes.Repeat([]byte{byte('a' + i%26)}, 1+i))
		task.place(text)
		b, _, err := in.Next(t.Context())
		if err != nil || string(b.Data) != text || b.FirstRow != int64(10*i) || string(b.Schema) != "schema" {
			t.Fatalf("chunk %d: %+v, %v", i, b, err)
		}
	}
	task.end()
	eventually(t, "all slots back", func() bool { return m.empty("train") == slotCount })
	if held := m.held("train"); held != 0 {
		t.Errorf("%d bytes held", held)
	}
}

// TestChunksInSlots: a program in Go reads slots in place, and each is empty again
// after its chunk was released and another one asked for.
func TestChunksInSlots(t *testing.T) {
	m := newTestMember(t, 0, trainConfig())
	in, err := OpenChunks(t.Context(), m.children, "train", 1)
	if err != nil {
		t.Fatal(err)
	}
	task := startSharing(t, m, 1)
	var held []*Chunk
	for i := range 2 * slotCount {
		task.place(fmt.Sprint("chunk ", i))
		c, _, err := in.Next(t.Context())
		if err != nil || string(c.Data) != fmt.Sprint("chunk ", i) || cap(c.Data) != len(c.Data) {
			t.Fatalf("chunk %d: %+v, %v", i, c, err)
		}
		if held = append(held, c); len(held) > 10 {
			held[0].Release()
			held = held[1:]
		}
	}
	if lent := slotCount - m.empty("train"); lent < 10+slotsAhead || lent > 14+slotsAhead {
		t.Errorf("%d slots are in use, while 10 chunks are read", lent)
	}
	_ = in.Close()
	for i, c := range held {
		if want := fmt.Sprint("chunk ", 2*slotCount-10+i); string(c.Data) != want {
			t.Errorf("%q after Close, want %q", c.Data, want)
		}
		c.Release()
	}
}

// TestLentSlots: a program that reads slots keeps them until it returns them.
func TestLentSlots(t *testing.T) {
	m := newTestMember(t, 0, trainConfig())
	child, err := Attach(t.Context(), m.children)
	if err != nil {
		t.Fatal(err)
	}
	defer child.Close()
	if err := child.send(TypeNext, NextChunks{Feed: "train", Chunks: 1000, Shared: true}); err != nil {
		t.Fatal(err)
	}
	task := startSharing(t, m, 1)
	var lent []Cached
	next := func() {
		t.Helper()
		typ, payload, err := ReadFrame(child.conn)
		if typ == TypeSchema {
			typ, payload, err = ReadFrame(child.conn)
		}
		var c Cached
		if err := errors.Join(err, json.Unmarshal(payload, &c)); err != nil || typ != TypeCached || c.Slot == nil {
			t.Fatalf("frame %#x %s: %v", typ, payload, err)
		}
		lent = append(lent, c)
	}
	for i := range slotCount {
		task.place(string(rune('A' + i)))
		next()
	}
	memory, err := os.Open(lent[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	for i, c := range lent { // none of them was overwritten
		b := make([]byte, c.Bytes)
		if _, err := memory.ReadAt(b, c.Offset); err != nil || string(b) != string(rune('A'+i)) || c.FirstRow != int64(10*i) {
			t.Errorf("chunk %d is %q, %+v: %v", i, b, c, err)
		}
	}
	if len(task.slots) > 0 || m.empty("train") > 0 {
		t.Fatalf("slots %v to write, %d empty, though all are lent", task.slots, m.empty("train"))
	}
	freed := NextChunks{Feed: "train", Freed: []int{*lent[3].Slot, *lent[5].Slot}}
	if err := child.send(TypeNext, freed); err != nil {
		t.Fatal(err)
	}
	task.place("again")
	next()
	if slot := *lent[slotCount].Slot; slot != *lent[3].Slot && slot != *lent[5].Slot {
		t.Errorf("slot %d, which was not given back", slot)
	}
	if err := child.send(TypeNext, NextChunks{Feed: "train", Freed: []int{*lent[0].Slot, *lent[0].Slot}}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ReadFrame(child.conn); err == nil {
		t.Error("a slot was given back twice")
	}
}

// TestSlotsOfACutOffTask are not granted again: the task may still be writing.
func TestSlotsOfACutOffTask(t *testing.T) {
	m := newTestMember(t, 0, trainConfig())
	early := startSharing(t, m, 1)
	early.listen(TypeSlot)
	later := startSharing(t, m, 2)
	later.place("a")
	later.end()
	eventually(t, "the later task's slots", func() bool { return m.empty("train") == slotCount-slotsAhead-1 }) // and the chunk's
	killed := startSharing(t, m, 3)
	killed.listen(TypeSlot)
	_ = killed.conn.Close()
	eventually(t, "the slots of a task that ended", func() bool { return m.empty("train") == slotCount-slotsAhead-1 })
}

// TestSlotNotGiven: a task may write only into its own slots, and once into
// each.
func TestSlotNotGiven(t *testing.T) {
	for name, placed := range map[string]func(s *sharing) Placed{
		"another's": func(s *sharing) Placed { return Placed{Rows: 1, Slot: 9, Bytes: 1} },
		"none":      func(s *sharing) Placed { return Placed{Rows: 1, Slot: slotCount, Bytes: 1} },
		"too much":  func(s *sharing) Placed { return Placed{Rows: 1, Slot: s.slots[0], Bytes: slotBytes + 1} },
	} {
		t.Run(name, func(t *testing.T) {
			m := newTestMember(t, 0, trainConfig())
			s := startSharing(t, m, 1)
			s.listen(TypeSlot)
			s.say(TypePlaced, placed(s).Encode())
			eventually(t, "the end of the stream", func() bool { return len(m.feederErrors()) == 1 })
			if err := m.feederErrors()[0]; !errors.Is(err, ErrProtocol) {
				t.Error(err)
			}
		})
	}
}

// TestFreeSlotsGiveMemoryBack: the memory of many large chunks is returned.
func TestFreeSlotsGiveMemoryBack(t *testing.T) {
	const keep = 2 * slotBytes
	m, err := newSharedMemory("train")
	if err != nil {
		t.Fatal(err)
	}
	s := newSlotTable(keep)
	for _, had := range []int64{0, slotBytes} { // a slot that has returned its memory is used again
		var taken []int
		for range 5 {
			slot, _ := s.takeSlot()
			if len(taken) < 2 && s.memory[slot] != had {
				t.Errorf("slot %d has %d bytes of memory, want %d: those that have it come first", slot, s.memory[slot], had)
			}
			if _, err := m.file.WriteAt(make([]byte, slotBytes), int64(slot)*slotBytes); err != nil {
				t.Fatal(err)
			}
			taken = append(taken, slot)
		}
		for _, slot := range taken {
			s.putSlot(slot, slotBytes)
		}
		for _, slot := range s.takeUncleared() {
			s.putCleared(slot, m.clearSlot(slot) == nil)
		}
		var stat unix.Stat_t
		if err := unix.Fstat(int(m.file.Fd()), &stat); err != nil || stat.Blocks*512 != keep || s.kept != keep {
			t.Errorf("%d bytes stay, %d are counted: %v", stat.Blocks*512, s.kept, err)
		}
	}
}

// TestSlotTable plays random tasks and programs. Every slot is always in one
// state, and empty slots keep no more memory than they may.
func TestSlotTable(t *testing.T) {
	const keep = 20_000
	for seed := range uint64(20) {
		playSlots(t, rand.New(rand.NewPCG(seed, 2)), keep)
	}
}

func playSlots(t *testing.T, random *rand.Rand, keep int64) {
	t.Helper()
	table := newSlotTable(keep)
	var grants []*slotGrant
	var used []int
	lost := 0
	for range 3_000 {
		var g *slotGrant
		if len(grants) > 0 {
			g = grants[random.IntN(len(grants))]
		}
		switch n := random.IntN(20); {
		case n == 0 && len(grants) < 10:
			grants = append(grants, &slotGrant{out: newOutbox()})
			table.openGrant(grants[len(grants)-1])
		case n == 1 && g != nil:
			table.closeGrant(g)
		case n == 2 && g != nil:
			hungUp := random.IntN(10) > 0
			if !hungUp {
				lost += len(g.slots)
			}
			table.removeGrant(g, hungUp)
			grants = slices.DeleteFunc(grants, func(other *slotGrant) bool { return other == g })
		case n < 11 && g != nil && len(g.slots) > 0:
			slot := g.slots[random.IntN(len(g.slots))]
			if !table.useSlot(g, slot) || table.useSlot(g, slot) {
				t.Fatalf("slot %d, which was granted, is not used once", slot)
			}
			used = append(used, slot)
			table.refillGrant(g)
		case len(used) > 0:
			i := random.IntN(len(used))
			table.putSlot(used[i], random.Int64N(2_000))
			used = slices.Delete(used, i, i+1)
		}
		if random.IntN(3) == 0 {
			for _, slot := range table.takeUncleared() {
				table.putCleared(slot, true)
			}
		}
		checkSlots(t, &table, grants, used, lost)
	}
}

func checkSlots(t *testing.T, table *slotTable, grants []*slotGrant, used []int, lost int) {
	t.Helper()
	seen := map[int]bool{}
	count := func(slots []int) {
		for _, slot := range slots {
			if seen[slot] {
				t.Fatalf("slot %d is in two states", slot)
			}
			seen[slot] = true
		}
	}
	count(table.empty)
	count(table.uncleared)
	count(used)
	for _, g := range grants {
		count(g.slots)
		if _, open := table.grants[g]; open && len(g.slots) < slotsAhead && len(table.empty) > 0 {
			t.Fatalf("a task has %d slots, %d are empty", len(g.slots), len(table.empty))
		}
	}
	if len(seen)+lost != slotCount {
		t.Fatalf("%d slots, and %d lost ones", len(seen), lost)
	}
	kept := int64(0)
	for _, slot := range table.empty {
		kept += table.memory[slot]
	}
	if kept != table.kept || kept > table.keep {
		t.Fatalf("empty slots keep %d bytes, %d are counted, %d allowed", kept, table.kept, table.keep)
	}
}

// TestSlotThatIsNotCleared keeps its memory, which is counted.
func TestSlotThatIsNotCleared(t *testing.T) {
	table := newSlotTable(0)
	slot, _ := table.takeSlot()
	table.putSlot(slot, 5)
	if slots := table.takeUncleared(); len(slots) != 1 || slots[0] != slot || len(table.empty) != slotCount-1 {
		t.Fatalf("to be cleared: %v, %d empty", slots, len(table.empty))
	}
	table.putCleared(slot, false)
	if again, _ := table.takeSlot(); again != slot || table.memory[slot] != 5 || table.kept != 0 {
		t.Errorf("slot %d has %d bytes, %d are kept", again, table.memory[slot], table.kept)
	}
}
