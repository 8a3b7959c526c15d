package feed

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"testing"
)

// BenchmarkQueue measures only the state of a feed: eight feed tasks whose
// chunks one program takes. No bytes move.
func BenchmarkQueue(b *testing.B) {
	const tasks, size = 8, 64 << 10
	q := newQueue(Config{Name: "train", QueueBytes: 64 << 20, BatchRows: 10}, "worker:0", "", func() {})
	p := &program{wake: make(chan struct{}, 1), credit: 1 << 60, trained: map[int]int64{}, lent: map[int]int64{}}
	q.addProgram(p)
	var streams []*stream
	for i := range tasks {
		s := &stream{hello: Hello{Partition: i}, out: newOutbox(), schema: []byte("s")}
		if _, _, err := q.tryAdmit(s); err != nil {
			b.Fatal(err)
		}
		streams = append(streams, s)
	}
	data := make([]byte, size)
	row := int64(0)
	for b.Loop() {
		s := streams[row%tasks]
		if _, err := q.announceChunk(s, span{row, row + 1}, size); err != nil {
			b.Fatal(err)
		}
		q.commitChunk(s, span{row, row + 1}, data, -1, -1)
		row++
		if d := q.nextFrame(p); d.typ == TypeBatch {
			q.releaseRoom(size)
		}
		if row%1000 == 0 { // a feed task that reads its frames
			for _, s := range streams {
				s.out.takeFrames()
			}
		}
	}
}

// BenchmarkSockets sends chunks from feed tasks to a program through two
// sockets.
func BenchmarkSockets(b *testing.B) {
	for _, tasks := range []int{1, 8} {
		for _, rows := range []int64{10, 640} { // 1 and 64 KB
			b.Run(fmt.Sprintf("%d tasks of %d KB", tasks, rows/10), func(b *testing.B) { benchSockets(b, tasks, rows) })
		}
	}
}

func benchSockets(b *testing.B, tasks int, chunkRows int64) {
	const rowBytes = 100
	m := newTestMember(b, 0, Config{Name: "train", QueueBytes: 64 << 20, BatchRows: 10})
	in, err := OpenChunks(b.Context(), m.children, "train", 4)
	if err != nil {
		b.Fatal(err)
	}
	defer in.Close()
	b.SetBytes(chunkRows * rowBytes)
	rows := chunkRows * int64((b.N+tasks-1)/tasks)
	b.ResetTimer()
	errs := make(chan error, tasks)
	for i := range tasks {
		go func() {
			task := &testTask{hello: Hello{Feed: "train", Partition: i}, chunkRows: chunkRows, rowBytes: rowBytes, slack: -1}
			err := task.greet(unixDialer(m.feeders))
			if err == nil {
				err = task.run(b.Context(), rows)
			}
			errs <- err
		}()
	}
	go func() {
		var all error
		for range tasks {
			all = errors.Join(all, <-errs)
		}
		errs <- errors.Join(all, m.EndFeed("train", 0, true))
	}()
	got := int64(0)
	for {
		batch, _, err := in.Next(b.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
		if batch != nil {
			got += int64(batch.Rows)
			batch.Release()
		}
	}
	if err := <-errs; err != nil || got != rows*int64(tasks) {
		b.Fatalf("%d rows of %d: %v", got, rows*int64(tasks), err)
	}
}

// BenchmarkSlots sends chunks through shared memory, one after another. The
// program returns each slot before the next chunk.
func BenchmarkSlots(b *testing.B) {
	m := newTestMember(b, 0, Config{Name: "train", QueueBytes: 64 << 20, BatchRows: 10})
	child, err := Attach(b.Context(), m.children)
	if err != nil {
		b.Fatal(err)
	}
	defer child.Close()
	next := NextChunks{Feed: "train", Chunks: 2, Shared: true}
	task := startSharing(b, m, 1)
	text := string(make([]byte, 64<<10))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if err := child.send(TypeNext, next); err != nil {
			b.Fatal(err)
		}
		task.place(text)
		typ, payload, err := ReadFrame(child.conn)
		if typ == TypeSchema {
			typ, payload, err = ReadFrame(child.conn)
		}
		var c Cached
		if err := errors.Join(err, json.Unmarshal(payload, &c)); err != nil || typ != TypeCached {
			b.Fatalf("frame %#x: %v", typ, err)
		}
		next = NextChunks{Feed: "train", Chunks: 1, Freed: []int{*c.Slot}}
	}
}
