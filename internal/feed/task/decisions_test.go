package task

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strconv"
	"testing"
	"time"

	"tfos/internal/feed"
)

// decisions is testdata/decisions.json: what feed tasks decide, in Go and in Python.
type decisions struct {
	Constants map[string]int64 `json:"constants"`
	Cuts      []struct {
		Name      string     `json:"name"`
		LeastRows int        `json:"least_rows"`
		Members   int        `json:"members"`
		Held      [][2]int64 `json:"held"` // first row, rows
		Batches   []struct {
			Rows    int64      `json:"rows"`
			Bytes   int64      `json:"bytes"`
			Sent    int64      `json:"sent"` // by all tasks
			Chunks  [][2]int64 `json:"chunks"`
			Skipped int64      `json:"skipped"` // by now
		} `json:"batches"`
	} `json:"cuts"`
	Choices []struct {
		Name      string `json:"name"`
		Balance   string `json:"balance"`
		Turn      int    `json:"turn"`
		ChunkRows int64  `json:"chunk_rows"`
		Members   []struct {
			Credit int64 `json:"credit"`
			Rows   int64 `json:"rows"`
			Local  bool  `json:"local"`
		} `json:"members"`
		Steps []map[string]json.RawMessage `json:"steps"`
	} `json:"choices"`
}

func readDecisions(t *testing.T) (d decisions) {
	t.Helper()
	text, err := os.ReadFile("testdata/decisions.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestConstants(t *testing.T) {
	want := map[string]int64{
		"min_rows": minRows, "grown_bytes": grownBytes, "grown_part": grownPart,
		"unacked": maxUnacked, "hello_seconds": int64(helloTimeout / time.Second),
	}
	if got := readDecisions(t).Constants; !reflect.DeepEqual(got, want) {
		t.Errorf("decisions.json has %v, this package %v", got, want)
	}
}

func TestCut(t *testing.T) {
	for _, test := range readDecisions(t).Cuts {
		t.Run(test.Name, func(t *testing.T) {
			m := &members{leastRows: leastChunkRows(test.LeastRows)}
			for range test.Members {
				m.links = append(m.links, &link{})
			}
			task := &task{members: m, held: union(test.Held)}
			for i, batch := range test.Batches {
				m.links[0].total = batch.Sent
				chunks := [][2]int64{}
				for _, s := range task.cut(batch.Rows, batch.Bytes) {
					chunks = append(chunks, [2]int64{s.first, s.rows()})
				}
				if !reflect.DeepEqual(chunks, batch.Chunks) || task.skipped != batch.Skipped {
					t.Errorf("batch %d: %v, %d skipped; want %v, %d", i, chunks, task.skipped, batch.Chunks, batch.Skipped)
				}
			}
		})
	}
}

func TestChoose(t *testing.T) {
	for _, test := range readDecisions(t).Choices {
		t.Run(test.Name, func(t *testing.T) {
			m := &members{equal: test.Balance != "demand", chunkRows: test.ChunkRows, turn: test.Turn}
			for i, one := range test.Members {
				m.links = append(m.links, &link{
					name: "worker:" + strconv.Itoa(i), credit: one.Credit, total: one.Rows, local: one.Local,
				})
			}
			var first int64
			for i, step := range test.Steps {
				takeStep(t, m, i, step, &first)
			}
		})
	}
}

// takeStep takes one step of a scenario; first is the row that is sent next.
func takeStep(t *testing.T, m *members, number int, step map[string]json.RawMessage, first *int64) {
	t.Helper()
	get := func(key string, into any) bool {
		text, ok := step[key]
		if err := json.Unmarshal(text, into); ok && err != nil {
			t.Fatalf("step %d: %s: %v", number, key, err)
		}
		return ok
	}
	var rows, sent int64
	var note *string
	switch {
	case get("send", &rows):
		var bytes int64
		var want, got *int
		get("bytes", &bytes)
		get("to", &want)
		chosen := m.chooseMember(rows)
		for i, l := range m.links {
			if l == chosen {
				got = &i
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("step %d: another member was chosen than %s", number, step["to"])
		}
		if chosen != nil {
			chosen.reserve(span{*first, *first + rows}, bytes)
			*first += rows
		}
	case get("over", &note):
		over, _ := m.isOverLocked()
		if over != (note != nil) || note != nil && m.note != *note {
			t.Errorf("step %d: over %v, %q, want %s", number, over, m.note, step["over"])
		}
	case get("sent", &sent):
		if m.sent != sent {
			t.Errorf("step %d: %d rows acknowledged, want %d", number, m.sent, sent)
		}
	default:
		var member int
		var refused bool
		get("member", &member)
		get("refused", &refused)
		err := handleStep(m, m.links[member], get)
		if refused != errors.Is(err, feed.ErrProtocol) || !refused && err != nil {
			t.Errorf("step %d: %v, refused %v", number, err, refused)
		}
	}
}

// handleStep handles a member's frame, or the end of a write to it.
func handleStep(m *members, l *link, get func(string, any) bool) error {
	var ack [3]int64
	var credit int64
	var stop feed.StopFeed
	var typ byte
	var payload []byte
	switch {
	case get("ack", &ack):
		typ = feed.TypeAck
		payload = binary.BigEndian.AppendUint64(nil, uint64(ack[0]))
		payload = binary.BigEndian.AppendUint32(payload, uint32(ack[1]))
		payload = binary.BigEndian.AppendUint64(payload, uint64(ack[2]))
	case get("credit", &credit):
		typ, payload = feed.TypeCredit, binary.BigEndian.AppendUint64(nil, uint64(credit))
	case get("stop", &stop):
		typ = feed.TypeStop
		payload, _ = json.Marshal(stop)
	default:
		l.writing = false
		return nil
	}
	rows, err := l.handleFrame(typ, payload)
	m.sent += rows
	return err
}
