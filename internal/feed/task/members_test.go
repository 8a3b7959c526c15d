package task

import (
	"encoding/binary"
	"errors"
	"sync"
	"testing"

	"tfos/internal/feed"
)

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
