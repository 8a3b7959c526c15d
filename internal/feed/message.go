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
	// which increases over the whole application. A lower one than the highest
	// seen is refused. A task that does not know its id sends 0. The member
	// then gives it the number after the highest seen.
	Attempt int64 `json:"attempt"`
	// Shared says that the task can write chunks into the member's shared
	// memory.
	Shared bool `json:"shared,omitempty"`
}

// Welcome answers Hello.
type Welcome struct {
	Accepted [][2]int64 `json:"accepted"` // first row, number of rows; ascending, disjoint
	Total    int64      `json:"total"`    // rows of this feed and epoch that the member holds or held
	Credit   int64      `json:"credit"`
	Stopped  bool       `json:"stopped"` // a Stop frame with the reason follows
	Attempt  int64      `json:"attempt"` // Hello's, or the one that the member gave
	Shared   *Shared    `json:"shared,omitempty"`
}

// End says that a partition was sent completely. Rows is its size.
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

// ProgramContext answers AttachRequest. It describes the run for the program.
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
	// ModelDir is the local folder that stands for a model_dir on a store, ModelURL. Both
	// are "" if the program uses model_dir itself.
	ModelDir string `json:"model_dir,omitempty"`
	ModelURL string `json:"model_url,omitempty"`
	// ExportDir is the local path that stands for an export_dir on a store. "": the
	// program uses export_dir itself.
	ExportDir string `json:"export_dir,omitempty"`
	// Storage are the settings of an engine's stores: see store.Settings.
	Storage map[string]string `json:"storage,omitempty"`
}

// NextChunks is a program's credit: it may be sent Chunks more chunks. Shared,
// in the first frame, says that the program reads chunks in shared memory in
// place. It returns their slots as Freed.
type NextChunks struct {
	Feed   string `json:"feed"`
	Chunks int    `json:"chunks"`
	Shared bool   `json:"shared,omitempty"`
	Freed  []int  `json:"freed,omitempty"`
}

// EpochEnd says that no further row of Epoch follows. Last says that no further
// row of the feed follows.
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

// Cached describes a chunk in a file. Its Arrow IPC record batch message is the
// Bytes bytes at Offset of Path. With a Slot the chunk is in shared memory, and
// Path has the inode Inode. The program returns the slot as Freed. The other
// fields are those of a batch's header.
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

// Pace says how fast the connection's program has taken rows: a reserve.Pace,
// with steps as bucket and count.
type Pace struct {
	Feed    string     `json:"feed"`
	Rows    int64      `json:"rows"`
	Seconds float64    `json:"seconds"`
	Waited  float64    `json:"waited"`
	Steps   [][2]int64 `json:"steps"`
}

// Terminate says that the program wants no further rows.
type Terminate struct {
	Feed string `json:"feed"`
}

// Permit asks whether Step (from 1) of a synchronous feed may be taken.
type Permit struct {
	Feed string `json:"feed"`
	Step int64  `json:"step"`
}

// Permitted answers Permit. Go false means that the feed ends before Step for
// all workers.
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

// Failure announces a program's non-zero exit. Code 0 means 5.
type Failure struct {
	Phase string    `json:"phase"`
	Cause string    `json:"cause"` // one line
	Code  exit.Code `json:"code"`
}

// Note is a line from a program to the person who runs the job.
type Note struct {
	Kind string `json:"kind"`
	Text string `json:"text"` // one line; NoteTensorBoard: the URL
}

// Kinds of Note.
const (
	NoteWarning     = "warning"
	NoteTensorBoard = "tensorboard"
)

// ProgressReport is the progress of an inference child, in totals, or of a child that
// trains a graph program.
type ProgressReport struct {
	Splits int64 `json:"splits"`
	Rows   int64 `json:"rows"`
	Bytes  int64 `json:"bytes"` // bytes of the input that the rows take
	// Training is nil for inference.
	Training *TrainingProgress `json:"training,omitempty"`
}

// TrainingProgress is how far the training of a graph program is.
type TrainingProgress struct {
	Step           int64   `json:"step"`            // updates of all trainers so far
	Steps          int64   `json:"steps,omitempty"` // the job's; 0: no limit
	Loss           float64 `json:"loss"`            // mean over the last steps
	StepsPerSecond float64 `json:"steps_per_s"`     // of all trainers
}

// ChunkRoom is the number of bytes of a CHUNK frame before its Arrow message.
const ChunkRoom = headerBytes + chunkHeaderBytes

// SealChunk fills the first ChunkRoom bytes of a CHUNK frame. An Arrow message of
// size bytes follows them, at most MaxChunk.
func SealChunk(frame []byte, size int, first int64, rows int) {
	binary.BigEndian.PutUint32(frame, uint32(ChunkRoom+size-4))
	frame[4] = TypeChunk
	binary.BigEndian.PutUint64(frame[headerBytes:], uint64(first))
	binary.BigEndian.PutUint32(frame[headerBytes+8:], uint32(rows))
}

// Ack tells a feed task that the chunk of Rows rows from First on is in the
// queue. Total is the number of rows of this feed and epoch here. With Rows 0
// the frame carries only Total.
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

// DecodeCredit reads the payload of a CREDIT: the number of further bytes that
// may be sent.
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

// decodeChunkHeader reads a chunk's rows. It checks that there is at least one
// row, and that the range fits in an int64.
func decodeChunkHeader(b []byte) (span, error) {
	first := binary.BigEndian.Uint64(b)
	rows := binary.BigEndian.Uint32(b[8:])
	if rows == 0 || first > 1<<62 {
		return span{}, fmt.Errorf("feed: chunk of %d rows at row %d: %w", rows, first, ErrProtocol)
	}
	return span{first: int64(first), end: int64(first) + int64(rows)}, nil
}

// Placed says that a feed task has written a chunk of Rows rows from First on
// into a slot. The chunk is an Arrow message of Bytes bytes.
type Placed struct {
	First, Rows int64
	Slot        int
	Bytes       int64
}

// Encode returns the payload of a PLACED.
func (p Placed) Encode() []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, placedBytes), uint64(p.First))
	b = binary.BigEndian.AppendUint32(b, uint32(p.Rows))
	b = binary.BigEndian.AppendUint32(b, uint32(p.Slot))
	return binary.BigEndian.AppendUint32(b, uint32(p.Bytes))
}

// decodePlaced reads the payload of a PLACED: the rows, the slot, and the
// number of bytes used of it.
func decodePlaced(b []byte) (rows span, slot int, size int64, err error) {
	if len(b) != placedBytes {
		return span{}, 0, 0, fmt.Errorf("feed: placed chunk in %d bytes: %w", len(b), ErrProtocol)
	}
	rows, err = decodeChunkHeader(b[:chunkHeaderBytes])
	slot = int(binary.BigEndian.Uint32(b[chunkHeaderBytes:]))
	return rows, slot, int64(binary.BigEndian.Uint32(b[chunkHeaderBytes+4:])), err
}

// DecodeSlot reads the payload of a SLOT: the slot that may be written.
func DecodeSlot(b []byte) (int, error) {
	if len(b) != 4 {
		return 0, fmt.Errorf("feed: slot of %d bytes: %w", len(b), ErrProtocol)
	}
	return int(binary.BigEndian.Uint32(b)), nil
}
