package task

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/feed"
	"tfos/internal/files"
	"tfos/internal/proc"
)

// fakeMember takes the feed of one attempt, by docs/protocols.md section 5. Its
// fields before conn say how it behaves; those after it, what it got.
type fakeMember struct {
	welcome   feed.Welcome
	stop      *feed.StopFeed // with a stopped welcome, or after stopAfter chunks
	stopAfter int
	vanishAt  int // closes the connection at this chunk, counted from 1
	vanish    bool
	mute      bool // closes the connection in place of WELCOME
	unending  bool // closes the connection in place of ENDED
	// answer writes what follows a chunk; nil: it is acknowledged.
	answer func(m *fakeMember, c chunk)

	conn   net.Conn
	hello  feed.Hello
	schema []byte
	chunks []chunk
	end    *feed.End
	err    error
}

// chunk is rows as they came; placed: in a slot of shared memory.
type chunk struct {
	first, rows int64
	message     []byte
	slot        int
	bytes       int64
}

func ackFrame(first, rows, total int64) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(first))
	b = binary.BigEndian.AppendUint32(b, uint32(rows))
	return binary.BigEndian.AppendUint64(b, uint64(total))
}

func numberFrame(n int64, bytes int) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(n))
	return b[8-bytes:]
}

func (m *fakeMember) acknowledge(c chunk) {
	m.welcome.Total += c.rows
	_ = feed.WriteFrame(m.conn, feed.TypeAck, ackFrame(c.first, c.rows, m.welcome.Total))
}

// serve takes one attempt until its end.
func (m *fakeMember) serve(listener net.Listener) {
	defer func() { _ = listener.Close() }()
	if m.conn, m.err = listener.Accept(); m.err != nil {
		return
	}
	defer func() { _ = m.conn.Close() }()
	if m.err = feed.ReadJSON(m.conn, feed.TypeHello, &m.hello); m.err != nil {
		return
	}
	if m.mute {
		return
	}
	if m.welcome.Attempt == 0 {
		m.welcome.Attempt = m.hello.Attempt
	}
	_ = feed.WriteJSON(m.conn, feed.TypeWelcome, m.welcome)
	if m.stop != nil && m.welcome.Stopped {
		_ = feed.WriteJSON(m.conn, feed.TypeStop, m.stop)
	}
	if m.vanish {
		return
	}
	for {
		typ, payload, err := feed.ReadFrame(m.conn)
		if err != nil {
			return
		}
		switch typ {
		case feed.TypeSchema:
			m.schema = payload
		case feed.TypeChunk, feed.TypePlaced:
			c := chunk{first: int64(binary.BigEndian.Uint64(payload)), rows: int64(binary.BigEndian.Uint32(payload[8:])), slot: -1}
			if typ == feed.TypeChunk {
				c.message = payload[12:]
			} else {
				c.slot, c.bytes = int(binary.BigEndian.Uint32(payload[12:])), int64(binary.BigEndian.Uint32(payload[16:]))
			}
			m.chunks = append(m.chunks, c)
			if len(m.chunks) == m.vanishAt {
				return
			}
			if m.answer != nil {
				m.answer(m, c)
			} else {
				m.acknowledge(c)
			}
			if len(m.chunks) == m.stopAfter {
				_ = feed.WriteJSON(m.conn, feed.TypeStop, m.stop)
			}
		case feed.TypeEnd:
			m.end = &feed.End{}
			m.err = json.Unmarshal(payload, m.end)
			if m.unending {
				return
			}
			_ = feed.WriteFrame(m.conn, feed.TypeEnded)
		default:
			m.err = fmt.Errorf("frame 0x%02x", typ)
			return
		}
	}
}

// numbers are the values of column n in the member's chunks, at their rows.
func (m *fakeMember) numbers(t *testing.T, into map[int64]int64) {
	t.Helper()
	for _, c := range m.chunks {
		reader, err := ipc.NewReader(bytes.NewReader(append(bytes.Clone(m.schema), c.message...)))
		if err != nil {
			t.Fatal(err)
		}
		record, err := reader.Read()
		if err != nil || record.NumRows() != c.rows {
			t.Fatalf("chunk of %d rows at %d: %v, %v", c.rows, c.first, record, err)
		}
		for i, n := range record.Column(0).(*array.Int64).Int64Values() {
			if old, twice := into[c.first+int64(i)]; twice {
				t.Errorf("row %d came twice: %d and %d", c.first+int64(i), old, n)
			}
			into[c.first+int64(i)] = n
		}
	}
}

// scenario is one attempt at partition 3 of files, in front of fake members.
type scenario struct {
	feed    Feed
	members []*fakeMember
	files   files.Recipe
	splits  []files.Split
}

func numbersRecord(first, rows int64) arrow.Record {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	for n := first; n < first+rows; n++ {
		b.Append(n)
	}
	schema := arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64}}, nil)
	return array.NewRecord(schema, []arrow.Array{b.NewArray()}, rows)
}

// newScenario has a partition of these records, a file each.
func newScenario(t *testing.T, members []*fakeMember, records ...arrow.Record) *scenario {
	t.Helper()
	folder := t.TempDir()
	for i, record := range records {
		writeArrow(t, filepath.Join(folder, fmt.Sprintf("%02d.arrow", i)), record)
	}
	found, err := Plan(t.Context(), Input{Format: files.Arrow, Path: folder, Slots: 1})
	if err != nil {
		t.Fatal(err)
	}
	s := &scenario{feed: Feed{Name: "train", ChunkRows: 4, Balance: "equal", Repeatable: true}, members: members, files: found.Files}
	for _, part := range found.Partitions {
		s.splits = append(s.splits, part...)
	}
	return s
}

func (s *scenario) run(t *testing.T) (Result, error) {
	t.Helper()
	return s.runIn(t.Context(), t)
}

// runIn runs the task, and waits for the members' ends.
func (s *scenario) runIn(ctx context.Context, t *testing.T) (Result, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 120*time.Second)
	defer cancel()
	boot, err := proc.BootID()
	if err != nil {
		t.Fatal(err)
	}
	order := Order{Feed: s.feed, Epoch: 1, Token: "secret", Files: &s.files}
	var wg sync.WaitGroup
	folder := t.TempDir()
	for i, m := range s.members {
		path := filepath.Join(folder, fmt.Sprint(i))
		listener, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = listener.Close() }()
		wg.Go(func() { m.serve(listener) })
		member := Member{Job: "worker", Index: i}
		member.Feed.Unix, member.Feed.BootID = path, boot
		order.Members = append(order.Members, member)
	}
	var out strings.Builder
	err = Run(ctx, strings.NewReader(s.line(t, order)), &out)
	wg.Wait()
	for i, m := range s.members {
		if m.err != nil {
			t.Errorf("member %d: %v", i, m.err)
		}
	}
	var result Result
	if err != nil {
		return result, err
	}
	if err := json.Unmarshal([]byte(out.String()), &result); err != nil {
		t.Fatalf("%q: %v", out.String(), err)
	}
	return result, nil
}

// line is the order as Spark pipes it.
func (s *scenario) line(t *testing.T, order Order) string {
	t.Helper()
	encode := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.StdEncoding.EncodeToString(text)
	}
	return encode(order) + " 3 " + encode(s.splits) + "\n"
}
