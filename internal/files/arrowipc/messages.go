package arrowipc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/files/codec"
)

// magic begins and ends the file format.
const magic = "ARROW1"

// featherMagic begins Feather files of version 1, which are not Arrow files.
const featherMagic = "FEA1"

var errFeather = errors.New("a Feather file of version 1: write it again with version 2, as pyarrow.feather.write_feather does")

// continuation precedes the length of a message's metadata since Arrow 0.15.
const continuation = 0xFFFFFFFF

// messages is the sequence of a file's messages
// (arrow.apache.org/docs/format/Columnar.html). It omits record batches that do
// not begin in the split. It implements ipc.MessageReader, because the
// library's reader trusts every length and does not report offsets.
//
// The file format is read in the order of its footer, as other readers do:
// schema, dictionaries, record batches. Writers may put dictionaries after the
// batches that need them. They may leave batches in the file that no longer
// belong to it.
type messages struct {
	source     *codec.Source
	split      codec.Split
	mem        memory.Allocator
	footer     flatbuf // of the file format; nil: stream format, or the schema was read
	blocks     []block // of the file format: still to read
	file       bool    // whether this is the file format
	at         int64   // offset of the next message
	end        int64   // offset at which messages end
	start      int64   // offset of the last message
	body       int64   // bytes of the last message's body
	rowsBefore int64   // rows of the record batches before the split
	last       *ipc.Message
}

func openMessages(s *codec.Source, split codec.Split, mem memory.Allocator) (*messages, error) {
	m := &messages{source: s, split: split, mem: mem, end: s.Size}
	head := make([]byte, min(int64(len(magic)), s.Size))
	if _, err := s.ReadAt(head, 0); err != nil {
		return nil, err
	}
	if bytes.HasPrefix(head, []byte(featherMagic)) {
		return nil, errFeather
	}
	if string(head) != magic {
		return m, nil
	}
	m.file = true
	return m, m.readFooter()
}

func (m *messages) readFooter() error {
	var tail [4 + len(magic)]byte
	if _, err := m.source.ReadAt(tail[:], m.source.Size-int64(len(tail))); err != nil {
		return err
	}
	size := int64(binary.LittleEndian.Uint32(tail[:]))
	m.end = m.source.Size - int64(len(tail)) - size
	if string(tail[4:]) != magic || m.end < 8 {
		return errors.New("it does not end with a footer: is it complete?")
	}
	m.at, m.footer = m.end, make([]byte, size)
	if _, err := m.source.ReadAt(m.footer, m.end); err != nil {
		return err
	}
	for _, slot := range []int{footerDictionaries, footerBatches} {
		blocks, err := m.footer.blocks(m.footer.uint32(0), slot)
		if err != nil {
			return err
		}
		m.blocks = append(m.blocks, blocks...)
	}
	return nil
}

// Message returns the next message, which is valid until the next call.
func (m *messages) Message() (*ipc.Message, error) {
	m.Release()
	for {
		if err := m.seekNext(); err != nil {
			return nil, err
		}
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
				if m.file {
					continue
				}
				return nil, io.EOF
			}
			if m.start < m.split.Offset {
				m.rowsBefore += batchLength(meta)
				continue
			}
		}
		return m.readBody(meta, from, size)
	}
}

// seekNext goes to the next message; io.EOF: there is none. In the stream
// format metadata detects the end.
func (m *messages) seekNext() error {
	m.start = m.at
	switch {
	case !m.file || m.footer != nil:
		return nil
	case len(m.blocks) == 0:
		return io.EOF
	}
	b := m.blocks[0]
	m.blocks = m.blocks[1:]
	m.start, m.at = b.offset, b.offset
	if b.offset < 8 || b.offset > m.end || b.meta < 0 || b.body < 0 || b.meta > m.end-b.offset || b.body > m.end-b.offset-b.meta {
		return errFooter
	}
	return nil
}

// metadata reads the metadata of the current message; io.EOF: there is none.
// Then m.at is the offset of the message's body.
func (m *messages) metadata() ([]byte, error) {
	if m.footer != nil {
		meta, err := m.footer.schemaMessage()
		m.footer = nil
		return meta, err
	}
	size, err := m.readUint32()
	if err == nil && size == continuation {
		size, err = m.readUint32()
	}
	switch {
	case err != nil:
		return nil, err
	case size == 0 && m.file:
		return nil, errFooter
	case size == 0:
		return nil, io.EOF
	case size > math.MaxInt32 || int64(size) > m.end-m.at:
		return nil, fmt.Errorf("a message with %d bytes of metadata where %d are left", size, m.end-m.at)
	}
	meta := make([]byte, size)
	_, err = m.source.ReadAt(meta, m.at)
	m.at += int64(size)
	return meta, err
}

func (m *messages) readUint32() (uint32, error) {
	if m.end-m.at < 4 {
		return 0, errors.New("it ends without its end mark: is it complete?")
	}
	var b [4]byte
	_, err := m.source.ReadAt(b[:], m.at)
	m.at += 4
	return binary.LittleEndian.Uint32(b[:]), err
}

func (m *messages) readBody(meta []byte, from, size int64) (*ipc.Message, error) {
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

// Release releases the last message.
func (m *messages) Release() {
	if m.last != nil {
		m.last.Release()
		m.last = nil
	}
}

// Retain does nothing: a messages has one owner.
func (m *messages) Retain() {}

// maxBuffer bounds a buffer, in bytes. No record batch has a larger one.
const maxBuffer = 1 << 32

// boundedAllocator panics for buffers that are too large, which damaged files
// may name. The allocation itself would end the process.
type boundedAllocator struct{ memory.Allocator }

func (b boundedAllocator) Allocate(size int) []byte {
	return b.Allocator.Allocate(checkBufferSize(size))
}

func (b boundedAllocator) Reallocate(size int, old []byte) []byte {
	return b.Allocator.Reallocate(checkBufferSize(size), old)
}

func checkBufferSize(size int) int {
	if size < 0 || size > maxBuffer {
		panic(fmt.Sprintf("a buffer of %d bytes", size))
	}
	return size
}
