package feed

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// readBuffer takes several small frames in one read. Larger payloads do not
// pass through it.
const readBuffer = 16 << 10

// chunkReader is the reading side of Chunks. One goroutine uses it.
type chunkReader struct {
	*Chunks
	in     *bufio.Reader
	schema []byte
	cache  *Mapping // nil before the first chunk of the cache
	shared *Mapping // nil before the first chunk in a slot
}

// read reads frames until the connection ends.
func (c *Chunks) read() {
	defer close(c.done)
	r := &chunkReader{Chunks: c, in: bufio.NewReaderSize(c.child.conn, readBuffer)}
	defer r.releaseMappings()
	for {
		err := r.readFrame()
		if errors.Is(err, io.EOF) {
			err = errors.New("the member closed the connection")
		}
		if err != nil {
			c.mu.Lock()
			c.err = fmt.Errorf("feed: read %s: %w", c.config.Name, err)
			c.mu.Unlock()
			c.wakeNext()
			return
		}
	}
}

func (c *Chunks) wakeNext() {
	select {
	case c.signal <- struct{}{}:
	default:
	}
}

func (r *chunkReader) releaseMappings() {
	for _, m := range []*Mapping{r.cache, r.shared} {
		if m != nil {
			m.Release()
		}
	}
}

func (r *chunkReader) readFrame() error {
	typ, size, err := ReadHeader(r.in)
	if err != nil {
		return err
	}
	if typ == TypeBatch {
		return r.readBatch(size)
	}
	payload := make([]byte, size)
	if _, err := io.ReadFull(r.in, payload); err != nil {
		return truncated(err)
	}
	switch typ {
	case TypeSchema:
		r.schema = payload
		return nil
	case TypeCached:
		return r.readCached(payload)
	case TypeEpochEnd:
		var end EpochEnd
		if err := decode(typ, payload, &end); err != nil {
			return err
		}
		r.arrive(end)
		return nil
	case TypePermitted:
		var answer Permitted
		if err := decode(typ, payload, &answer); err != nil {
			return err
		}
		return r.answer(answer)
	}
	return fmt.Errorf("frame 0x%02x: %w", typ, ErrProtocol)
}

// answer hands the answer to PERMIT over. It is kept until Permit takes it.
func (r *chunkReader) answer(answer Permitted) error {
	select {
	case r.answers <- answer:
		return nil
	default:
		return fmt.Errorf("a second answer to a step: %w", ErrProtocol)
	}
}

func (r *chunkReader) arrive(event any) {
	r.mu.Lock()
	r.arrived = append(r.arrived, event)
	r.mu.Unlock()
	r.wakeNext()
}

// readBatch reads the payload of a BATCH into a buffer of its own.
func (r *chunkReader) readBatch(size int) error {
	var head [batchHeaderBytes]byte
	if size < len(head) {
		return fmt.Errorf("batch of %d bytes: %w", size, ErrProtocol)
	}
	data := newBuffer(int64(size - len(head)))
	for _, part := range [][]byte{head[:], data} {
		if _, err := io.ReadFull(r.in, part); err != nil {
			return truncated(err)
		}
	}
	r.arrive(&Chunk{
		Epoch:     int(binary.BigEndian.Uint32(head[:])),
		Rows:      int(binary.BigEndian.Uint32(head[4:])),
		Partition: int(binary.BigEndian.Uint32(head[8:])),
		FirstRow:  int64(binary.BigEndian.Uint64(head[12:])),
		Schema:    r.schema, Data: data, release: func() { freeBuffer(data) },
	})
	return nil
}

// readCached takes a chunk that lies in a file or in memory of the member.
func (r *chunkReader) readCached(payload []byte) error {
	var told Cached
	if err := decode(TypeCached, payload, &told); err != nil {
		return err
	}
	from, inode := &r.cache, uint64(0)
	if told.Slot != nil {
		from, inode = &r.shared, told.Inode
	}
	if *from == nil {
		m, err := MapFile(told.Path, inode)
		if err != nil {
			return err
		}
		*from = m
	}
	m := *from
	data, err := m.Borrow(told.Offset, told.Bytes)
	if err != nil {
		return err
	}
	r.arrive(&Chunk{
		Epoch: told.Epoch, Rows: told.Rows, Partition: told.Partition, FirstRow: told.FirstRow,
		Schema: r.schema, Data: data, release: func() { r.returnSlot(told.Slot); m.Release() },
	})
	return nil
}

// returnSlot has the next NEXT return a slot. nil: the chunk was in the cache.
func (c *Chunks) returnSlot(slot *int) {
	if slot == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.freed = append(c.freed, *slot)
}
