package feed

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"tfos/internal/exit"
)

// Hello is the first frame of a feed task.
type Hello struct {
	Version   int    `json:"version"`
	Token     string `json:"token"`
	Feed      string `json:"feed"`
	Epoch     int    `json:"epoch"`
	Partition int    `json:"partition"`
	// Attempt orders the attempts at one partition: Spark's task attempt id,
	// which grows over the whole application. A lower one than that seen
	// before is refused. 0, of a task that does not know its id: the member
	// gives it the number after the highest seen.
	Attempt int64 `json:"attempt"`
	// Shared: the task can write chunks into the member's shared memory.
	Shared bool `json:"shared,omitempty"`
}

// Welcome answers Hello.
type Welcome struct {
	Accepted [][2]int64 `json:"accepted"` // first row, rows; ascending, disjoint
	Total    int64      `json:"total"`    // rows of this feed and epoch here
	Credit   int64      `json:"credit"`
	Stopped  bool       `json:"stopped"` // a Stop frame with the reason follows
	Attempt  int64      `json:"attempt"` // Hello's, or the one given here
	Shared   *Shared    `json:"shared,omitempty"`
}

// End says that a partition is wholly sent; Rows is its size.
type End struct {
	Rows int64 `json:"rows"`
}

// StopFeed tells a feed task that the member wants no more rows.
type StopFeed struct {
	Reason string `json:"reason"`
	Failed bool   `json:"failed"`
}

// AttachRequest is a program's first frame.
type AttachRequest struct {
	PID     int `json:"pid"`
	Version int `json:"version"`
}

// ProgramContext answers AttachRequest: what a program gets to know of its run.
type ProgramContext struct {
	Run       string              `json:"run"`
	Kind      string              `json:"kind"` // train, infer, export
	JobName   string              `json:"job_name"`
	TaskIndex int                 `json:"task_index"`
	WorkerNum int                 `json:"worker_num"`
	Cluster   map[string][]string `json:"cluster"`
	Files     string              `json:"files"`
	Feeds     []Config            `json:"feeds"`
	Context   json.RawMessage     `json:"context,omitempty"`
	Work      json.RawMessage     `json:"work,omitempty"`
}

// NextChunks is a program's credit: it may be sent so many more chunks. Shared, in
// the first: the program reads chunks of shared memory in place, and gives their
// slots back as Freed.
type NextChunks struct {
	Feed   string `json:"feed"`
	Chunks int    `json:"chunks"`
	Shared bool   `json:"shared,omitempty"`
	Freed  []int  `json:"freed,omitempty"`
}

// EpochEnd says that no more rows of Epoch follow; Last: nor of the feed.
type EpochEnd struct {
	Feed  string `json:"feed"`
	Epoch int    `json:"epoch"`
	Last  bool   `json:"last"`
}

// Trained is the total of rows of Epoch that this connection's program took.
type Trained struct {
	Feed  string `json:"feed"`
	Epoch int    `json:"epoch"`
	Rows  int64  `json:"rows"`
}

// Cached is a chunk that lies in a file: Bytes bytes at Offset of Path are its
// Arrow IPC record batch message. With a Slot it is in shared memory, whose
// Inode Path has; the program gives the slot back as Freed. The other fields are
// those of a batch's header.
type Cached struct {
	Path      string `json:"path"`
	Offset    int64  `json:"offset"`
	Bytes     int64  `json:"bytes"`
	Epoch     int    `json:"epoch"`
	Rows      int    `json:"rows"`
	Partition int    `json:"partition"`
	FirstRow  int64  `json:"first_row"`
	Slot      *int   `json:"slot,omitempty"`
	Inode     uint64 `json:"inode,omitempty"`
}

// Pace is how fast the connection's program took rows so far: a reserve.Pace,
// with steps as bucket and count.
type Pace struct {
	Feed    string     `json:"feed"`
	Rows    int64      `json:"rows"`
	Seconds float64    `json:"seconds"`
	Waited  float64    `json:"waited"`
	Steps   [][2]int64 `json:"steps"`
}

// Terminate says that the program wants no more rows.
type Terminate struct {
	Feed string `json:"feed"`
}

// Permit asks whether Step (from 1) of a synchronous feed may be taken.
type Permit struct {
	Feed string `json:"feed"`
	Step int64  `json:"step"`
}

// Permitted answers Permit. Go false: the feed ends before Step everywhere.
type Permitted struct {
	Feed string `json:"feed"`
	Step int64  `json:"step"`
	Go   bool   `json:"go"`
}

// PhaseReport is a program's phase: importing, running, evaluating, exporting,
// ended.
type PhaseReport struct {
	Phase string `json:"phase"`
}

// Failure is how a program announces its non-zero exit; Code 0 means 5.
type Failure struct {
	Phase string    `json:"phase"`
	Cause string    `json:"cause"` // one line
	Code  exit.Code `json:"code"`
}

// Note is a line of a program for the person who runs the job.
type Note struct {
	Kind string `json:"kind"`
	Text string `json:"text"` // one line; NoteTensorBoard: the URL
}

// Kinds of Note.
const (
	NoteWarning     = "warning"
	NoteTensorBoard = "tensorboard"
)

// ProgressReport is how far an inference child is, in totals.
type ProgressReport struct {
	Splits int64 `json:"splits"`
	Rows   int64 `json:"rows"`
	Bytes  int64 `json:"bytes"` // of the input, that the rows take
}

// ChunkRoom is the bytes of a CHUNK frame before its Arrow message.
const ChunkRoom = headerBytes + chunkHeaderBytes

// SealChunk fills the first ChunkRoom bytes of frame, which an Arrow message of at
// most MaxChunk bytes follows. The CHUNK frame then goes out in one write.
func SealChunk(frame []byte, first int64, rows int) {
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	frame[4] = TypeChunk
	binary.BigEndian.PutUint64(frame[headerBytes:], uint64(first))
	binary.BigEndian.PutUint32(frame[headerBytes+8:], uint32(rows))
}

// Ack tells a feed task that the chunk of Rows rows from First on is in the
// queue. Total is the rows of this feed and epoch here; with Rows 0 the frame
// tells Total alone.
type Ack struct {
	First, Rows, Total int64
}

// DecodeAck reads the payload of an ACK.
func DecodeAck(b []byte) (Ack, error) {
	if len(b) != ackBytes {
		return Ack{}, fmt.Errorf("feed: acknowledgement of %d bytes: %w", len(b), ErrProtocol)
	}
	return Ack{
		First: int64(binary.BigEndian.Uint64(b)),
		Rows:  int64(binary.BigEndian.Uint32(b[8:])),
		Total: int64(binary.BigEndian.Uint64(b[12:])),
	}, nil
}

// DecodeCredit reads the payload of a CREDIT: how many more bytes may be sent.
func DecodeCredit(b []byte) (int64, error) {
	if len(b) != 8 {
		return 0, fmt.Errorf("feed: credit of %d bytes: %w", len(b), ErrProtocol)
	}
	return int64(binary.BigEndian.Uint64(b)), nil
}

func encodeAck(first int64, rows uint32, total int64) []byte {
	b := make([]byte, 0, ackBytes)
	b = binary.BigEndian.AppendUint64(b, uint64(first))
	b = binary.BigEndian.AppendUint32(b, rows)
	return binary.BigEndian.AppendUint64(b, uint64(total))
}

func encodeCredit(bytes int64) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(bytes))
}

func encodeBatchHeader(epoch int, it item) []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, batchHeaderBytes), uint32(epoch))
	b = binary.BigEndian.AppendUint32(b, it.use)
	b = binary.BigEndian.AppendUint32(b, it.partition)
	return binary.BigEndian.AppendUint64(b, it.first)
}

// decodeChunkHeader reads a chunk's rows. It checks that there is at least one, and
// that the range fits in an int64.
func decodeChunkHeader(b []byte) (span, error) {
	first := binary.BigEndian.Uint64(b)
	rows := binary.BigEndian.Uint32(b[8:])
	if rows == 0 || first > 1<<62 {
		return span{}, fmt.Errorf("feed: chunk of %d rows at row %d: %w", rows, first, ErrProtocol)
	}
	return span{first: int64(first), end: int64(first) + int64(rows)}, nil
}

// Placed says that a feed task has written a chunk of Rows rows from First on
// into a slot: Bytes bytes, an Arrow message.
type Placed struct {
	First, Rows int64
	Slot        int
	Bytes       int64
}

// Encode is the payload of a PLACED.
func (p Placed) Encode() []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, placedBytes), uint64(p.First))
	b = binary.BigEndian.AppendUint32(b, uint32(p.Rows))
	b = binary.BigEndian.AppendUint32(b, uint32(p.Slot))
	return binary.BigEndian.AppendUint32(b, uint32(p.Bytes))
}

// decodePlaced reads the payload of a PLACED: the rows, the slot, and how many
// bytes of it.
func decodePlaced(b []byte) (rows span, slot int, size int64, err error) {
	if len(b) != placedBytes {
		return span{}, 0, 0, fmt.Errorf("feed: placed chunk in %d bytes: %w", len(b), ErrProtocol)
	}
	rows, err = decodeChunkHeader(b[:chunkHeaderBytes])
	slot = int(binary.BigEndian.Uint32(b[chunkHeaderBytes:]))
	return rows, slot, int64(binary.BigEndian.Uint32(b[chunkHeaderBytes+4:])), err
}

// DecodeSlot reads the payload of a SLOT: which slot may be written.
func DecodeSlot(b []byte) (int, error) {
	if len(b) != 4 {
		return 0, fmt.Errorf("feed: slot of %d bytes: %w", len(b), ErrProtocol)
	}
	return int(binary.BigEndian.Uint32(b)), nil
}
