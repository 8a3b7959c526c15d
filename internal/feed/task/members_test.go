package task

import (
	"encoding/binary"
	"errors"
	"sync"
	"testing"

	"tfos/internal/feed"
)

func TestChoose(t *testing.T) {
	at := func(rows int64) *link { return &link{credit: 1, total: rows} }
	with := func(l *link, change func(*link)) *link { change(l); return l }
	near := func(l *link) { l.local = true }
	poor := func(l *link) { l.credit = 0 }
	stop := func(l *link) { l.stopped = &feed.StopFeed{} }
	busy := func(l *link) { l.writing = true }
	full := func(l *link) { l.unacked = make([]span, maxUnacked) }
	for name, test := range map[string]struct {
		demand bool
		turn   int
		links  []*link
		want   int // -1: none
	}{
		"the lowest":                   {links: []*link{at(5), at(4)}, want: 1},
		"equals by turn":               {turn: 3, links: []*link{at(4), at(4)}, want: 1},
		"local before equals":          {links: []*link{at(4), with(at(4), near)}, want: 1},
		"local, less than a chunk off": {links: []*link{at(4), with(at(13), near)}, want: 1},
		"local, a chunk off":           {links: []*link{at(4), with(at(14), near)}, want: 0},
		"the lowest of the local":      {links: []*link{at(4), with(at(9), near), with(at(6), near)}, want: 2},
		"without credit":               {links: []*link{with(at(4), poor), at(9)}, want: 1},
		"being written to":             {links: []*link{with(at(4), busy), at(9)}, want: 1},
		"two chunks on the way":        {links: []*link{with(at(4), full), at(9)}, want: 1},
		"stopped":                      {links: []*link{with(at(4), stop), at(900)}, want: 1},
		"equal waits for the lowest":   {links: []*link{with(at(4), poor), at(45)}, want: -1},
		"not if it is near":            {links: []*link{with(at(4), poor), at(44)}, want: 1},
		"demand does not wait":         {demand: true, links: []*link{with(at(4), poor), at(45)}, want: 1},
		"all stopped":                  {links: []*link{with(at(4), stop)}, want: -1},
	} {
		t.Run(name, func(t *testing.T) {
			m := &members{equal: !test.demand, chunkRows: 20, turn: test.turn, links: test.links}
			got := -1
			for i, l := range test.links {
				if l == m.chooseMember(10) {
					got = i
				}
			}
			if got != test.want {
				t.Errorf("chose %d, want %d", got, test.want)
			}
		})
	}
}

func TestOver(t *testing.T) {
	m := &members{links: []*link{{name: "worker:0"}, {name: "worker:1"}}}
	if over, err := m.isOverLocked(); over || err != nil {
		t.Error(over, err)
	}
	m.links[1].stopped = &feed.StopFeed{Reason: "enough"}
	if over, _ := m.isOverLocked(); over {
		t.Error("over though one wants more")
	}
	m.links[0].stopped = &feed.StopFeed{Reason: "full"}
	if over, _ := m.isOverLocked(); !over || m.note != "worker:0: full; worker:1: enough" {
		t.Error(over, m.note)
	}
	m.links[1].stopped.Failed = true
	if over, _ := m.isOverLocked(); !over || m.note != "worker:1: enough" {
		t.Error(over, m.note)
	}
}

func TestFramesFromMembers(t *testing.T) {
	ack := func(first uint64, rows uint32) []byte {
		b := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, first), rows)
		return binary.BigEndian.AppendUint64(b, 77)
	}
	l := &link{unacked: []span{{5, 9}}, unackedRows: 4}
	if n, err := l.handleFrame(feed.TypeAck, ack(0, 0)); n != 0 || err != nil || l.total != 77 {
		t.Error(n, err, l.total)
	}
	for name, frame := range map[string]struct {
		typ     byte
		payload []byte
	}{
		"out of order": {feed.TypeAck, ack(6, 3)},
		"short":        {feed.TypeAck, []byte("x")},
		"credit":       {feed.TypeCredit, []byte("x")},
		"stop":         {feed.TypeStop, []byte("x")},
		"unknown":      {feed.TypeBatch, nil},
	} {
		if _, err := l.handleFrame(frame.typ, frame.payload); !errors.Is(err, feed.ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n, err := l.handleFrame(feed.TypeAck, ack(5, 4)); n != 4 || err != nil || l.unackedRows != 0 {
		t.Error(n, err, l.unackedRows)
	}
}

// TestLose: a member that wanted no more may go; a broken protocol is never fine.
func TestLose(t *testing.T) {
	m := &members{}
	m.cond = sync.NewCond(&m.mu)
	gone := &link{stopped: &feed.StopFeed{}}
	m.loseMember(gone, errors.New("reset"))
	if !gone.lost || m.err != nil {
		t.Error(gone.lost, m.err)
	}
	m.loseMember(&link{stopped: &feed.StopFeed{}}, feed.ErrProtocol)
	if !errors.Is(m.err, feed.ErrProtocol) {
		t.Error(m.err)
	}
}
