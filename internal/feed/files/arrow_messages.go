package files

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// arrowMagic begins and ends the file form.
const arrowMagic = "ARROW1"

// continuation precedes the length of a message's metadata since Arrow 0.15.
const continuation = 0xFFFFFFFF

// messages is the sequence of a file's messages (arrow.apache.org/docs/format/
// Columnar.html) without the record batches that do not begin in the split. It
// is an ipc.MessageReader, since the library's believes every length that it
// reads and does not say where it is.
type messages struct {
	source *source
	split  Split
	mem    memory.Allocator
	at     int64 // of the next message in the file
	end    int64 // where messages end for certain
	marked bool  // the end must be marked
	start  int64 // of the last message
	body   int64 // bytes of the last message's body
	before int64 // rows of the record batches that were passed over
	last   *ipc.Message
}

func openMessages(s *source, split Split, mem memory.Allocator) (*messages, error) {
	m := &messages{source: s, split: split, mem: mem, end: s.size, marked: true}
	head := make([]byte, min(int64(len(arrowMagic)), s.size))
	if _, err := s.ReadAt(head, 0); err != nil {
		return nil, err
	}
	if string(head) != arrowMagic {
		return m, nil
	}
	var tail [4 + len(arrowMagic)]byte
	if _, err := s.ReadAt(tail[:], s.size-int64(len(tail))); err != nil {
		return nil, err
	}
	footer := int64(binary.LittleEndian.Uint32(tail[:]))
	m.at, m.end, m.marked = 8, s.size-int64(len(tail))-footer, false
	if string(tail[4:]) != arrowMagic || m.end < m.at {
		return nil, errors.New("it does not end with a footer: is it complete?")
	}
	return m, nil
}

// Message is the next one, which holds until the call after it.
func (m *messages) Message() (*ipc.Message, error) {
	m.Release()
	for {
		m.start = m.at
		meta, err := m.metadata()
		if err != nil {
			return nil, err
		}
		if err := checkSchema(meta); err != nil {
			return nil, err
		}
		probe := ipc.NewMessage(memory.NewBufferBytes(meta), memory.NewBufferBytes(nil))
		kind, size := probe.Type(), probe.BodyLen()
		probe.Release()
		if size < 0 || size > m.end-m.at {
			return nil, fmt.Errorf("a message with %d bytes where %d are left", size, m.end-m.at)
		}
		from := m.at
		m.at += size
		if kind == ipc.MessageRecordBatch {
			if m.start >= m.split.Offset+m.split.Length {
				return nil, io.EOF
			}
			if m.start < m.split.Offset {
				m.before += batchLength(meta)
				continue
			}
		}
		return m.read(meta, from, size)
	}
}

// metadata reads the metadata of the message at hand; io.EOF: there is none.
func (m *messages) metadata() ([]byte, error) {
	if m.at == m.end && !m.marked {
		return nil, io.EOF
	}
	size, err := m.number()
	if err == nil && size == continuation {
		size, err = m.number()
	}
	if err != nil {
		return nil, err
	}
	if size == 0 {
		return nil, io.EOF
	}
	if size > math.MaxInt32 || int64(size) > m.end-m.at {
		return nil, fmt.Errorf("a message with %d bytes of metadata where %d are left", size, m.end-m.at)
	}
	meta := make([]byte, size)
	_, err = m.source.ReadAt(meta, m.at)
	m.at += int64(size)
	return meta, err
}

func (m *messages) number() (uint32, error) {
	if m.end-m.at < 4 {
		return 0, errors.New("it ends without its end mark: is it complete?")
	}
	var b [4]byte
	_, err := m.source.ReadAt(b[:], m.at)
	m.at += 4
	return binary.LittleEndian.Uint32(b[:]), err
}

func (m *messages) read(meta []byte, from, size int64) (*ipc.Message, error) {
	body := memory.NewResizableBuffer(m.mem)
	defer body.Release()
	body.Resize(int(size))
	if _, err := m.source.ReadAt(body.Bytes(), from); err != nil {
		return nil, err
	}
	m.body = size
	m.last = ipc.NewMessage(memory.NewBufferBytes(meta), body)
	return m.last, nil
}

// Release lets go of the last message.
func (m *messages) Release() {
	if m.last != nil {
		m.last.Release()
		m.last = nil
	}
}

// Retain is for the interface: there is one owner.
func (m *messages) Retain() {}

// maxBuffer is more than any buffer of a record batch has.
const maxBuffer = 1 << 32

// bounded panics instead of asking for the sizes that damaged files name, which
// would end the process.
type bounded struct{ memory.Allocator }

func (b bounded) Allocate(size int) []byte {
	return b.Allocator.Allocate(sane(size))
}

func (b bounded) Reallocate(size int, old []byte) []byte {
	return b.Allocator.Reallocate(sane(size), old)
}

func sane(size int) int {
	if size < 0 || size > maxBuffer {
		panic(fmt.Sprintf("a buffer of %d bytes", size))
	}
	return size
}
