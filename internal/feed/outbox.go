package feed

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"sync"
)

// outbox holds the frames to send to a feed task. Changes never wait, so they
// may be made under the queue's lock. All changes since the last write are sent
// in one write.
type outbox struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	grant int64
	total int64 // a total to send; -1: none
	stop  *StopFeed
	wake  chan struct{}
}

// outboxLimit bounds the unread bytes of a feed task: 40,000 acknowledgements.
const outboxLimit = 1 << 20

func newOutbox() *outbox { return &outbox{total: -1, wake: make(chan struct{}, 1)} }

func (o *outbox) addAck(rows span, total int64) {
	o.update(func() { writeTo(&o.buf, TypeAck, encodeAck(rows.first, uint32(rows.rows()), total)) })
}

func (o *outbox) addCredit(bytes int64) { o.update(func() { o.grant += bytes }) }

// takeCredit returns the credit that was not yet written. The caller sends it.
func (o *outbox) takeCredit() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	grant := o.grant
	o.grant = 0
	return grant
}

// setTotal sends the total, by an acknowledgement of no rows. Only the latest
// total is sent.
func (o *outbox) setTotal(total int64) { o.update(func() { o.total = total }) }

func (o *outbox) setStop(reason string, failed bool) {
	o.update(func() { o.stop = &StopFeed{Reason: reason, Failed: failed} })
}

func (o *outbox) addSlot(number int) {
	o.update(func() { writeTo(&o.buf, TypeSlot, binary.BigEndian.AppendUint32(nil, uint32(number))) })
}

func (o *outbox) addEnded() { o.update(func() { writeTo(&o.buf, TypeEnded, []byte("{}")) }) }

func (o *outbox) update(change func()) {
	o.mu.Lock()
	change()
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// overfull reports that the feed task does not read its acknowledgements.
func (o *outbox) overfull() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Len() > outboxLimit
}

// drain writes frames until ctx ends or a write fails. It does not write what
// is in the outbox when ctx ends.
func (o *outbox) drain(ctx context.Context, w io.Writer) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-o.wake:
		}
		if b := o.takeFrames(); len(b) > 0 {
			if _, err := w.Write(b); err != nil {
				return err
			}
		}
	}
}

// takeFrames empties the outbox and returns its frames in wire form.
func (o *outbox) takeFrames() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.total >= 0 {
		writeTo(&o.buf, TypeAck, encodeAck(0, 0, o.total))
	}
	if o.grant != 0 {
		writeTo(&o.buf, TypeCredit, encodeCredit(o.grant))
	}
	if o.stop != nil {
		payload, _ := json.Marshal(o.stop) // a string and a bool: cannot fail
		writeTo(&o.buf, TypeStop, payload)
	}
	o.total, o.grant, o.stop = -1, 0, nil
	out := bytes.Clone(o.buf.Bytes())
	o.buf.Reset()
	return out
}

// writeTo is WriteFrame to a buffer, which cannot fail.
func writeTo(buf *bytes.Buffer, typ byte, payload []byte) {
	if err := WriteFrame(buf, typ, payload); err != nil {
		panic(err) // only a frame above 16 MiB can get here
	}
}
