package task

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/feed"
	"tfos/internal/files"
	"tfos/internal/store"
)

const (
	// minRows: smaller partitions are not cut for the sake of evenness.
	minRows = 8
	// A chunk costs as much as 100 KB of its bytes. So chunks of small rows
	// grow, up to grownBytes, but only to a part of the rows sent so far:
	// members stay as even. testdata/decisions.json holds these figures equal to
	// those of scripts/tfos/decisions.py.
	grownBytes = 256 << 10
	grownPart  = 256
)

// Order says what a feed task has to do; scripts/tfos/pipe.py writes it.
type Order struct {
	Feed    Feed     `json:"feed"`
	Epoch   int      `json:"epoch"`
	Members []Member `json:"members"` // in the formed event's order
	CA      string   `json:"ca"`      // PEM
	Token   string   `json:"token"`
	Schema  []byte   `json:"schema"` // an encapsulated Arrow message; null: that of Files
	// Files says how the task reads its rows itself; null: Spark sends them.
	Files *files.Recipe `json:"files"`
	// Storage are the settings of the stores that have the files.
	Storage store.Settings `json:"storage,omitempty"`
}

// Feed is an entry of the plan's feeds, as far as feed tasks need it.
type Feed struct {
	Name      string `json:"name"`
	ChunkRows int    `json:"chunk_rows"` // of one chunk, unless rows are small
	Balance   string `json:"balance"`    // equal; demand: no member waits for another
	// Repeatable: a partition read again has its rows in the same order.
	Repeatable bool `json:"repeatable"`
}

// Member is one of the formed event that takes the feed.
type Member struct {
	Job   string  `json:"job"`
	Index int     `json:"index"`
	Feed  Address `json:"feed"`
}

// Address is where a member takes the rows of its feeds.
type Address struct {
	BootID string `json:"boot_id"` // of the kernel on which Unix works
	Unix   string `json:"unix"`    // path of the socket
	TCP    string `json:"tcp"`     // host:port, TLS
}

// Result is the task's account: RESULT_SCHEMA of scripts/tfos/feeder.py.
type Result struct {
	Partition int `json:"partition"`

	Rows    int64   `json:"rows"`    // read
	Sent    int64   `json:"sent"`    // acknowledged to this attempt
	Skipped int64   `json:"skipped"` // held by members since an earlier attempt
	Error   *string `json:"error"`   // bad data: permanent
	Note    *string `json:"note"`    // why the task ended before its last row
	// Refused is why no attempt may send the partition; "": it was sent. Spark
	// tells the driver nothing of a process that fails.
	Refused string `json:"refused,omitempty"`
	// Warnings are what the user should know of the stores, a line each.
	Warnings []string `json:"warnings,omitempty"`
}

// Run feeds one partition from files: in is what Spark pipes, the order and which
// splits, out takes the Result, a line of JSON. An error is one that another
// attempt may not have: Spark should try again. What no attempt can mend is in the
// Result instead.
func Run(ctx context.Context, in io.Reader, out io.Writer) error {
	order, partition, splits, err := readLine(in)
	if err != nil {
		return err
	}
	var warnings warnings
	store.OnWarning(warnings.add)
	if order.Storage != nil {
		store.Configure(order.Storage)
	}
	result, err := order.FeedFiles(ctx, partition, splits)
	if err != nil {
		return err
	}
	result.Warnings = warnings.all()
	if err := json.NewEncoder(out).Encode(result); err != nil {
		return fmt.Errorf("feed: write result: %w", err)
	}
	return nil
}

// warnings collects lines for the user.
type warnings struct {
	mu    sync.Mutex
	lines []string
}

func (w *warnings) add(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, text)
}

func (w *warnings) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lines
}

// FeedFiles feeds one partition, which is these splits of the order's Files. Its
// error is one that another attempt may not have.
func (o Order) FeedFiles(ctx context.Context, partition int, splits []files.Split) (Result, error) {
	return o.feedPartition(ctx, partition, func(c *codec) (source, error) {
		return openFiles(*o.Files, c.reader.Schema(), splits)
	})
}

// feedPartition feeds one partition, whose rows come from the source that open
// returns.
func (o Order) feedPartition(ctx context.Context, partition int, open func(*codec) (source, error)) (Result, error) {
	codec, err := newCodec(o.schema())
	if err != nil {
		return Result{}, err
	}
	rows, err := open(codec)
	if err != nil {
		return Result{}, err
	}
	defer rows.close()
	members, held, err := connect(ctx, o, partition)
	if err != nil {
		return Result{}, err
	}
	defer members.close()
	if len(held) > 0 && !o.Feed.Repeatable {
		return Result{Partition: partition, Refused: fmt.Sprintf("feed %s: partition %d was tried again, but its rows "+
			"may come in another order (a query with a join, aggregation, sample or rand(), or a source "+
			"other than files): write its result to files and feed those", o.Feed.Name, partition)}, nil
	}
	// A task that waits for a member ends when ctx does.
	defer context.AfterFunc(ctx, members.closeConnections)()
	t := &task{partition: partition, source: rows, codec: codec, members: members, held: union(held)}
	return t.sendPartition(ctx, o.schema())
}

func (o Order) schema() []byte {
	if o.Files != nil {
		return o.Files.Schema
	}
	return o.Schema
}

// source gives a partition's rows, in an order that is the same each time.
type source interface {
	// next is the next batch, good until the one after it; io.EOF: there is
	// none. What no attempt can read is a rowError.
	next(ctx context.Context) (batch, error)
	// returnBuffer gives a batch's message back, or another buffer in its place; nil: none.
	returnBuffer(buf []byte)
	close()
}

// batch is consecutive rows: as a record, or as the chunk not yet sealed that
// Spark has made of them.
type batch struct {
	rows    int64
	bytes   int64 // about
	record  arrow.Record
	message []byte
}

// task is one attempt at one partition.
type task struct {
	partition int
	source    source
	codec     *codec
	members   *members
	held      []span // by members, from the batch's first row on

	rows, skipped int64
	spare         *frame // for the next chunk; nil: none
}

// rowError is a row that no attempt can feed.
type rowError struct{ text string }

func (e rowError) Error() string { return e.text }

// sendPartition sends all batches. The result says why it ended early, if it did.
func (t *task) sendPartition(ctx context.Context, schema []byte) (Result, error) {
	// To every member: one that gets no row still learns the columns.
	err := t.members.writeToAll(feed.TypeSchema, schema)
	more := err == nil
	for more {
		var b batch
		b, err = t.source.next(ctx)
		if errors.Is(err, io.EOF) {
			err = t.finish()
			break
		}
		if err == nil {
			more, err = t.sendBatch(b)
		}
		more = more && err == nil
	}
	var bad rowError
	if errors.As(err, &bad) {
		err = nil
	}
	if err != nil {
		return Result{}, err
	}
	return t.result(bad.text), nil
}

func (t *task) finish() error {
	end, err := json.Marshal(feed.End{Rows: t.rows})
	if err != nil {
		return err
	}
	return t.members.sendEnd(end)
}

func (t *task) result(bad string) Result {
	t.members.mu.Lock()
	defer t.members.mu.Unlock()
	r := Result{Partition: t.partition, Rows: t.rows, Sent: t.members.sent, Skipped: t.skipped}
	if bad != "" {
		r.Error = &bad
	}
	if t.members.note != "" {
		r.Note = &t.members.note
	}
	return r
}

// sendBatch sends the rows of a batch that no member holds. more false: no
// member wants more.
func (t *task) sendBatch(b batch) (more bool, err error) {
	if over, err := t.members.isOver(); over || err != nil {
		return false, err
	}
	rows := span{t.rows, t.rows + b.rows}
	chunks := t.cut(rows.rows(), b.bytes)
	if b.message != nil && len(chunks) == 1 && chunks[0] == rows && len(b.message)-feed.ChunkRoom <= feed.MaxChunk {
		spare, more, err := t.members.sendChunk(wholeFrame(b.message), rows)
		t.source.returnBuffer(spare.buffer())
		return more, err
	}
	if b.record == nil && len(chunks) > 0 {
		if b.record, err = t.codec.decode(b.message[feed.ChunkRoom:]); err != nil {
			return false, err
		}
	}
	for _, chunk := range chunks {
		if more, err := t.sendRows(b.record, chunk, rows.first); !more {
			return false, err
		}
	}
	return true, nil
}

// cut returns the chunks that are still to be sent of the next batch, which has
// about so many bytes.
func (t *task) cut(rows, bytes int64) []span {
	whole := span{t.rows, t.rows + rows}
	t.rows = whole.end
	t.held = slices.DeleteFunc(t.held, func(s span) bool { return s.end <= whole.first })
	most := t.members.fitChunkRows(rows, bytes)
	if whole.first == 0 { // of a small partition every member shall get some
		most = min(most, max(minRows, ceil(rows, int64(len(t.members.links)))))
	}
	t.skipped += rows
	var chunks []span
	for _, part := range missing(t.held, whole) {
		t.skipped -= part.rows()
		for first := part.first; first < part.end; first += most {
			chunks = append(chunks, span{first, min(first+most, part.end)})
		}
	}
	return chunks
}

// sendRows sends rows of a batch, which starts at row start, as one chunk or,
// when they are too large, as several.
func (t *task) sendRows(record arrow.Record, rows span, start int64) (more bool, err error) {
	f := t.spare
	if f == nil {
		f = &frame{}
	}
	part := record.NewSlice(rows.first-start, rows.end-start)
	err = t.codec.encode(f, part)
	part.Release()
	if err != nil {
		return false, err
	}
	if f.size <= feed.MaxChunk {
		t.spare, more, err = t.members.sendChunk(f, rows)
		return more, err
	}
	f.release()
	t.spare = f
	if rows.rows() == 1 {
		return false, rowError{fmt.Sprintf(
			"row %d of partition %d has %d bytes; a row may have at most %d: shorten it in the input",
			rows.first, t.partition, f.size, feed.MaxChunk)}
	}
	half := rows.first + rows.rows()/2
	if more, err := t.sendRows(record, span{rows.first, half}, start); !more {
		return false, err
	}
	return t.sendRows(record, span{half, rows.end}, start)
}

// emptyFrame empties a buffer but for the room for a chunk's head.
func emptyFrame(buf []byte) []byte { return append(buf[:0], make([]byte, feed.ChunkRoom)...) }

func ceil(a, b int64) int64 { return (a + b - 1) / b }
