package task

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/feed"
)

const enough = 1 << 40

func welcome() feed.Welcome { return feed.Welcome{Credit: enough} }

// wantRows checks that the members' chunks are these rows, each once, with their values.
func wantRows(t *testing.T, members []*fakeMember, want ...span) {
	t.Helper()
	got := map[int64]int64{}
	for _, m := range members {
		m.numbers(t, got)
	}
	var rows int64
	for _, s := range want {
		rows += s.rows()
		for row := s.first; row < s.end; row++ {
			if n, ok := got[row]; !ok || n != row {
				t.Errorf("row %d: %d, came: %v", row, n, ok)
			}
		}
	}
	if int64(len(got)) != rows {
		t.Errorf("%d rows came, want %d", len(got), rows)
	}
}

// TestRun: what members hold, refuse and stop decides what is sent, and what Spark and
// the driver are told. The partition has 30 rows, in two batches.
func TestRun(t *testing.T) {
	stopped := func(reason string, failed bool) *fakeMember {
		m := &fakeMember{welcome: welcome(), stop: &feed.StopFeed{Reason: reason, Failed: failed}}
		m.welcome.Stopped = true
		return m
	}
	holding := func(accepted ...[2]int64) *fakeMember {
		m := &fakeMember{welcome: welcome()}
		m.welcome.Accepted = accepted
		return m
	}
	all := []span{{0, 30}}
	for name, test := range map[string]struct {
		members    []*fakeMember
		unfit      bool // rows may come in another order
		rows       []span
		want       Result
		note       string
		refused    string
		unfinished bool // no member gets END
	}{
		"one member":                            {members: []*fakeMember{holding()}, rows: all, want: Result{Rows: 30, Sent: 30}},
		"two members":                           {members: []*fakeMember{holding(), holding()}, rows: all, want: Result{Rows: 30, Sent: 30}},
		"rows that are held":                    {members: []*fakeMember{holding([2]int64{0, 3}, [2]int64{22, 2}), holding([2]int64{5, 4})}, rows: []span{{3, 5}, {9, 22}, {24, 30}}, want: Result{Rows: 30, Sent: 21, Skipped: 9}},
		"all rows are held":                     {members: []*fakeMember{holding([2]int64{0, 30})}, want: Result{Rows: 30, Skipped: 30}},
		"held, in other order":                  {members: []*fakeMember{holding(), holding([2]int64{0, 3})}, unfit: true, refused: "feed train: partition 3 was tried again", unfinished: true},
		"not held, in an order that may change": {members: []*fakeMember{holding()}, unfit: true, rows: all, want: Result{Rows: 30, Sent: 30}},
		"one wants none":                        {members: []*fakeMember{stopped("full", false), holding()}, rows: all, want: Result{Rows: 30, Sent: 30}},
		"all want none":                         {members: []*fakeMember{stopped("full", false), stopped("enough", false)}, note: "worker:0: full; worker:1: enough", unfinished: true},
		"a program failed":                      {members: []*fakeMember{holding(), stopped("it raised", true)}, note: "worker:1: it raised", unfinished: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScenario(t, test.members, numbersRecord(0, 20), numbersRecord(20, 10))
			s.feed.Repeatable = !test.unfit
			got, err := s.run(t)
			if err != nil {
				t.Fatal(err)
			}
			if got.Partition != 3 || got.Rows != test.want.Rows || got.Sent != test.want.Sent || got.Skipped != test.want.Skipped || got.Error != nil {
				t.Errorf("%+v, want %+v", got, test.want)
			}
			if (got.Note == nil) != (test.note == "") || got.Note != nil && *got.Note != test.note {
				t.Errorf("note %v, want %q", got.Note, test.note)
			}
			if !strings.HasPrefix(got.Refused, test.refused) || (got.Refused == "") != (test.refused == "") {
				t.Errorf("refused: %q, want %q", got.Refused, test.refused)
			}
			wantRows(t, test.members, test.rows...)
			for i, m := range test.members {
				if (m.end == nil) != test.unfinished || m.end != nil && m.end.Rows != 30 {
					t.Errorf("member %d: END %+v", i, m.end)
				}
				if len(m.schema) == 0 && !m.welcome.Stopped && test.refused == "" {
					t.Errorf("member %d does not know the columns", i)
				}
			}
		})
	}
}

// TestRunSaysWhoItIs: the first member's attempt number goes to the others.
func TestRunSaysWhoItIs(t *testing.T) {
	first, second := &fakeMember{welcome: welcome()}, &fakeMember{welcome: welcome()}
	first.welcome.Attempt = 7
	if _, err := newScenario(t, []*fakeMember{first, second}, numbersRecord(0, 1)).run(t); err != nil {
		t.Fatal(err)
	}
	want := feed.Hello{Version: feed.Version, Token: "secret", Feed: "train", Epoch: 1, Partition: 3, Shared: true}
	if first.hello != want {
		t.Errorf("%+v, want %+v", first.hello, want)
	}
	if want.Attempt = 7; second.hello != want {
		t.Errorf("%+v, want %+v", second.hello, want)
	}
}

// TestRunIsEven: no member gets three chunks more than another, and of a small partition each gets some.
func TestRunIsEven(t *testing.T) {
	for name, test := range map[string]struct{ rows, most int64 }{
		"small": {16, 8},
		"large": {300, 162},
	} {
		members := []*fakeMember{{welcome: welcome()}, {welcome: welcome()}}
		s := newScenario(t, members, numbersRecord(0, test.rows))
		s.feed.ChunkRows = 8
		if name == "small" {
			s.feed.ChunkRows = 16
		}
		if _, err := s.run(t); err != nil {
			t.Fatal(err)
		}
		wantRows(t, members, span{0, test.rows})
		for i, m := range members {
			if m.welcome.Total > test.most {
				t.Errorf("%s: member %d got %d of %d rows", name, i, m.welcome.Total, test.rows)
			}
		}
	}
}

// TestRunBroken: what a member may not do makes Spark try again; a member that wanted no more may go.
func TestRunBroken(t *testing.T) {
	fault := func(answer func(m *fakeMember, c chunk)) *fakeMember {
		return &fakeMember{welcome: welcome(), answer: answer}
	}
	write := func(typ byte, payload []byte) *fakeMember {
		return fault(func(m *fakeMember, _ chunk) { _ = feed.WriteFrame(m.conn, typ, payload) })
	}
	for name, test := range map[string]struct {
		members []*fakeMember
		want    string // part of the error; "": none
	}{
		"goes before it is sent rows":     {[]*fakeMember{{welcome: welcome(), vanish: true}}, "connection to worker:0 broke"},
		"goes with a chunk":               {[]*fakeMember{{welcome: welcome()}, {welcome: welcome(), vanishAt: 2}}, "connection to worker:1 broke"},
		"goes before ENDED":               {[]*fakeMember{{welcome: welcome(), unending: true}}, "connection to worker:0 broke"},
		"stops, and goes":                 {[]*fakeMember{{welcome: welcome()}, {welcome: welcome(), stop: &feed.StopFeed{Reason: "enough"}, stopAfter: 1, unending: true}}, ""},
		"acknowledges other rows":         {[]*fakeMember{fault(func(m *fakeMember, c chunk) { c.first++; m.acknowledge(c) })}, "out of order"},
		"acknowledges a part":             {[]*fakeMember{fault(func(m *fakeMember, c chunk) { c.rows--; m.acknowledge(c) })}, "out of order"},
		"acknowledges twice":              {[]*fakeMember{fault(func(m *fakeMember, c chunk) { m.acknowledge(c); m.acknowledge(c) })}, "out of order"},
		"an acknowledgement that is none": {[]*fakeMember{write(feed.TypeAck, []byte("x"))}, "acknowledgement of 1 bytes"},
		"a credit that is none":           {[]*fakeMember{write(feed.TypeCredit, []byte("x"))}, "protocol error"},
		"a slot that is none":             {[]*fakeMember{write(feed.TypeSlot, []byte("x"))}, "slot of 1 bytes"},
		"a stop that is none":             {[]*fakeMember{write(feed.TypeStop, []byte("x"))}, "invalid character"},
		"a frame of a program":            {[]*fakeMember{write(feed.TypeBatch, nil)}, "frame 0x13"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := newScenario(t, test.members, numbersRecord(0, 20), numbersRecord(20, 10)).run(t)
			switch {
			case test.want == "" && (err != nil || got.Rows != 30):
				t.Errorf("%+v, %v", got, err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("%+v, %v, want %q", got, err, test.want)
			}
		})
	}
}

// TestRunWaits: a task sends no more than a member has credit for, and two chunks at most
// that are not acknowledged.
func TestRunWaits(t *testing.T) {
	t.Run("for credit", func(t *testing.T) {
		granted := false
		m := &fakeMember{welcome: feed.Welcome{Credit: 1}}
		m.answer = func(m *fakeMember, c chunk) {
			if len(m.chunks) > 1 && !granted {
				t.Error("a chunk came without credit")
			}
			m.acknowledge(c)
			if !granted {
				time.Sleep(50 * time.Millisecond)
				granted = true
				_ = feed.WriteFrame(m.conn, feed.TypeCredit, numberFrame(enough, 8))
			}
		}
		got, err := newScenario(t, []*fakeMember{m}, numbersRecord(0, 30)).run(t)
		if err != nil || got.Sent != 30 {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("for acknowledgements", func(t *testing.T) {
		var late []chunk
		m := &fakeMember{welcome: welcome()}
		m.answer = func(m *fakeMember, c chunk) {
			if late = append(late, c); len(late) > 2 {
				t.Errorf("%d chunks on their way", len(late))
			}
			if last := c.first+c.rows == 30; len(late) == 2 || last {
				_ = m.conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
				if typ, _, err := feed.ReadFrame(m.conn); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("frame 0x%02x before an acknowledgement: %v", typ, err)
				}
				_ = m.conn.SetReadDeadline(time.Time{})
				for _, c := range late {
					m.acknowledge(c)
				}
				late = nil
			}
		}
		got, err := newScenario(t, []*fakeMember{m}, numbersRecord(0, 30)).run(t)
		if err != nil || got.Sent != 30 || len(m.chunks) < 4 {
			t.Errorf("%+v in %d chunks, %v", got, len(m.chunks), err)
		}
	})
}

// TestRunEndsWithItsContext: a task that waits for a member does not outlive Spark's wish.
func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	m := &fakeMember{welcome: welcome(), answer: func(*fakeMember, chunk) { cancel() }}
	if got, err := newScenario(t, []*fakeMember{m}, numbersRecord(0, 30)).runIn(ctx, t); err == nil {
		t.Errorf("%+v", got)
	}
}

// TestRunBadFiles: what no attempt can read or send is in the result, and names the row or the file.
func TestRunBadFiles(t *testing.T) {
	texts := func(sizes ...int) arrow.Record {
		b := array.NewStringBuilder(memory.DefaultAllocator)
		for _, size := range sizes {
			b.Append(strings.Repeat("x", size))
		}
		schema := arrow.NewSchema([]arrow.Field{{Name: "text", Type: arrow.BinaryTypes.String}}, nil)
		return array.NewRecord(schema, []arrow.Array{b.NewArray()}, int64(len(sizes)))
	}
	t.Run("large rows", func(t *testing.T) {
		m := &fakeMember{welcome: welcome()}
		const third = feed.MaxChunk / 3
		got, err := newScenario(t, []*fakeMember{m}, texts(third, third, third, third, feed.MaxChunk-1000)).run(t)
		if err != nil || got.Error != nil || got.Sent != 5 {
			t.Errorf("%+v, %v", got, err)
		}
		for _, c := range m.chunks {
			if len(c.message) > feed.MaxChunk {
				t.Errorf("a chunk of %d bytes", len(c.message))
			}
		}
	})
	t.Run("a row that is too large", func(t *testing.T) {
		m := &fakeMember{welcome: welcome()}
		got, err := newScenario(t, []*fakeMember{m}, texts(1, 1, feed.MaxChunk, 1)).run(t)
		if err != nil || got.Error == nil || !strings.HasPrefix(*got.Error, "row 2 of partition 3 has ") || got.Rows != 4 {
			t.Errorf("%+v, %v", got, err)
		}
		if m.end != nil {
			t.Error("the member was told that the partition was whole")
		}
	})
	t.Run("a damaged file", func(t *testing.T) {
		m := &fakeMember{welcome: welcome()}
		s := newScenario(t, []*fakeMember{m}, numbersRecord(0, 8), numbersRecord(8, 8))
		path := s.splits[1].Path
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := 8; i < len(data)-8; i++ {
			data[i] ^= 0xff
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := s.run(t)
		if err != nil || got.Error == nil || !strings.Contains(*got.Error, filepath.Base(path)) || got.Rows != 8 {
			t.Errorf("%+v, %v", got, err)
		}
		if m.end != nil {
			t.Error("the member was told that the partition was whole")
		}
	})
	t.Run("no file", func(t *testing.T) {
		s := newScenario(t, []*fakeMember{{welcome: welcome()}}, numbersRecord(0, 8))
		s.splits[0].Path += ".gone"
		if got, err := s.run(t); err == nil && got.Error == nil {
			t.Errorf("%+v", got)
		}
	})
}

// TestRunInSharedMemory: chunks go into the slots that a member gives, if its memory is what it says.
func TestRunInSharedMemory(t *testing.T) {
	for name, c := range map[string]struct {
		inode     uint64 // more than the file's
		slotBytes int64
	}{
		"the member's":          {0, 4096},
		"it cannot be mapped":   {0, 4000}, // a slot's begin is no page's
		"another file's memory": {1, 4096},
	} {
		t.Run(name, func(t *testing.T) {
			slotBytes := c.slotBytes
			path := filepath.Join(t.TempDir(), "memory")
			if err := os.WriteFile(path, make([]byte, 3*slotBytes), 0o600); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			m := &fakeMember{welcome: welcome()}
			m.welcome.Shared = &feed.Shared{Path: path, Inode: info.Sys().(*syscall.Stat_t).Ino + c.inode, Slots: 3, SlotBytes: slotBytes}
			placed := 0
			m.answer = func(m *fakeMember, c chunk) {
				if c.slot >= 0 { // what it holds now; the slot may be used again
					placed++
					memory, err := os.ReadFile(path)
					if err != nil {
						t.Error(err)
					}
					at := int64(c.slot) * slotBytes
					m.chunks[len(m.chunks)-1].message = memory[at : at+c.bytes]
				}
				_ = feed.WriteFrame(m.conn, feed.TypeSlot, numberFrame(int64(len(m.chunks)%2+1), 4))
				m.acknowledge(c)
			}
			got, err := newScenario(t, []*fakeMember{m}, numbersRecord(0, 30)).run(t)
			if err != nil || got.Sent != 30 {
				t.Errorf("%+v, %v", got, err)
			}
			wantRows(t, []*fakeMember{m}, span{0, 30})
			if (placed > 0) != (c.inode == 0) {
				t.Errorf("%d of %d chunks in memory", placed, len(m.chunks))
			}
		})
	}
}

// TestRunWithoutMember: nobody to connect to is an error, and so is a member that does not answer HELLO.
func TestRunWithoutMember(t *testing.T) {
	s := newScenario(t, nil, numbersRecord(0, 1))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := listener.Addr().String()
	_ = listener.Close()
	member := Member{Job: "worker"}
	member.Feed.TCP = gone
	var out strings.Builder
	line := s.line(t, Order{Feed: s.feed, Files: &s.files, Members: []Member{member}})
	if err := Run(t.Context(), strings.NewReader(line), &out); err == nil || !strings.Contains(err.Error(), gone) || out.Len() > 0 {
		t.Errorf("%q, %v", out.String(), err)
	}
	halfway := &fakeMember{welcome: welcome(), vanish: true} // STOP does not follow
	halfway.welcome.Stopped = true
	for _, silent := range []*fakeMember{{mute: true}, halfway} {
		got, err := newScenario(t, []*fakeMember{silent}, numbersRecord(0, 1)).run(t)
		if err == nil || !strings.Contains(err.Error(), "worker:0 did not welcome partition 3") {
			t.Errorf("%+v, %v", got, err)
		}
	}
}
