package reserve

import (
	"strconv"
	"time"

	"tfos/internal/exit"
	"tfos/internal/histogram"
)

// Phases of a member that mean something here: they decide whether the run
// waits for it after training has ended.
const (
	PhaseRunning    = "running"
	PhaseEvaluating = "evaluating" // it wants to know when training has ended
	PhaseFailing    = "failing"    // it has failed, its process is about to end
	PhaseEnded      = "ended"      // its child is gone
)

// Evaluator is the job of members that score checkpoints. TensorFlow leaves it
// out of its cluster.
const Evaluator = "evaluator"

// Place names one member of the roster.
type Place struct {
	Job   string // ps, chief, worker, evaluator
	Index int    // task index in its job, from 0
}

// String is "worker:1", the way members are named in messages and verdicts.
func (p Place) String() string { return p.Job + ":" + strconv.Itoa(p.Index) }

// FeedAddress is where feed tasks reach a member; the zero value means that
// the member takes no rows.
type FeedAddress struct {
	BootID string `json:"boot_id"` // of the kernel: unix sockets only work on the same one
	Unix   string `json:"unix"`    // path of the unix socket
	TCP    string `json:"tcp"`     // host:port, TLS
}

// Registration is how a member asks for its place.
type Registration struct {
	Place
	Address  string // host:port held for TensorFlow's server
	Feed     FeedAddress
	Executor string // identity of the executor process: boot id, pid, start time
	Host     string
	LogPath  string // where the child's output is kept, on Host
}

// Renewal is a member's state, sent with each renewal of its lease. All counts are
// totals since the member's start.
type Renewal struct {
	Phase      string // starting, importing, running, evaluating, exporting, ended
	Feeds      []FeedCount
	LogBytes   int64  // written by the child: a sign of life
	Splits     int64  // inference: splits finished
	SplitRows  int64  // inference: rows computed
	SplitBytes int64  // inference: bytes of the splits that these take
	Notes      []Note // all so far, in order
	Paces      []Pace // by feed
	Usage      Usage
	GPUs       []GPU // that the member has
	Uploading  bool  // its program runs no more, and its files are being uploaded
	// Training is how far a graph program's training is. Only its chief says so.
	Training *Training
	// Mirrored is how far the local model_dir is at its store; nil: it is at none.
	Mirrored *Mirrored
}

// Mirrored is how far a member's local model_dir is at its store.
type Mirrored struct {
	URL    string
	Stored string // the newest checkpoint that is complete at the store; "": none
	Local  string // the newest that the program has written
	// Files, Bytes and Seconds are those of the last upload of a checkpoint.
	Files   int64
	Bytes   int64
	Seconds float64
	// AllFiles and AllBytes are those of all uploads.
	AllFiles int64
	AllBytes int64
	Brought  string // the checkpoint that came down before the program's start
	Error    string // why the last try to upload failed; "": it did not
}

// Note is a member's message for the user.
type Note struct {
	Kind NoteKind
	Text string // one line
}

// NoteKind says what a note's text is.
type NoteKind int

// The kinds, with the numbers of the wire.
const (
	NoteWarning     NoteKind = iota + 1
	NoteTensorBoard          // the URL
)

// FeedCount is the row account of one feed and epoch at one member. One FeedCount may
// sum up several epochs, because there may be very many (Epochs). Once the member has
// ended, Received = Trained + Dropped + Quarantined.
type FeedCount struct {
	Feed        string
	Epoch       int
	Received    int64
	Trained     int64
	Dropped     int64
	Quarantined int64
	StepsHeld   int64 // whole batches received, over all epochs
	Stopped     bool  // this member wants no more rows of this feed
	Left        bool  // and takes no more steps either: it has not just its quota
	Ended       bool  // the epoch has ended at this member: Received is final
	Cached      bool  // so far all rows of the epoch are in the member's cache
	Epochs      int   // how many epochs it sums up, from Epoch on; 0: 1
}

// last returns the latest epoch that c counts.
func (c FeedCount) last() int { return c.Epoch + max(c.Epochs, 1) - 1 }

// Pace is how fast a member's program took the rows of one feed, from its first
// batch on: that batch's rows and the wait for it are not in it.
type Pace struct {
	Feed    string
	Rows    int64
	Seconds float64             // from the first batch to the latest
	Waited  float64             // of them, waiting for rows or for leave to take them
	Steps   histogram.Durations // from batch to batch
}

// accounted returns how many of the received rows are trained, dropped or
// quarantined.
func (c FeedCount) accounted() int64 { return c.Trained + c.Dropped + c.Quarantined }

// Message is what the server sends to a member: one of Registered, Rejected,
// Renewed, Cluster, TrainingEnded, LowWater, FeedEnd, Replay, Stop and Ping.
type Message interface{ message() }

// Registered gives a member its place.
type Registered struct {
	Incarnation int64
	Lease       time.Duration
}

// Rejected ends a member before it began. Retry: Spark shall place its task
// again.
type Rejected struct {
	Reason string
	Retry  bool
}

// Renewed answers the renewal with that sequence number.
type Renewed struct{ Sequence int64 }

// Ping asks for a renewal at once.
type Ping struct{}

// Cluster says that every member is registered: the child may start.
type Cluster struct {
	Generation int
	Members    []Member // in the plan's order
	Work       []byte   // inference: this member's infer.Request as JSON; else nil
}

// Member is one entry of the cluster specification.
type Member struct {
	Place
	Address string // host:port of its TensorFlow server
	Host    string // the name of its machine; "": not known
}

// TrainingEnded says that every required member has succeeded, and that the run
// waits for this one, which evaluates.
type TrainingEnded struct{}

// LowWater says that every fed worker holds at least Step whole batches of
// Feed. Final: no step beyond this one will ever be handed out.
type LowWater struct {
	Feed  string
	Step  int64
	Final bool
}

// FeedEnd says that every partition of Epoch was sent and acknowledged. Last:
// no epoch follows.
type FeedEnd struct {
	Feed  string
	Epoch int
	Last  bool
}

// Replay says that every member that takes Feed holds all its rows of the first
// epoch in its cache: the later epochs, up to Epochs in all, come from there.
type Replay struct {
	Feed   string
	Epochs int
}

// Stop tells the member to end its child and itself.
type Stop struct{ Reason string }

func (Registered) message()    {}
func (Rejected) message()      {}
func (Renewed) message()       {}
func (Ping) message()          {}
func (Cluster) message()       {}
func (TrainingEnded) message() {}
func (LowWater) message()      {}
func (FeedEnd) message()       {}
func (Replay) message()        {}
func (Stop) message()          {}

// Kind is how a member ended.
type Kind int

// The kinds, with the numbers of the wire.
const (
	Unknown   Kind = iota
	Succeeded      // the child ended well
	Failed         // the program failed: permanent
	Lost           // the infrastructure under it: executor gone, lease lost
	Stopped        // ended because the server sent Stop
)

func (k Kind) String() string {
	switch k {
	case Succeeded:
		return "succeeded"
	case Failed:
		return "failed"
	case Lost:
		return "lost"
	case Stopped:
		return "stopped"
	default:
		return "unknown"
	}
}

// Outcome is a member's last report. The client adds the incarnation.
type Outcome struct {
	Place
	Kind        Kind
	Phase       string
	Cause       string   // one line
	ExitCode    int      // of the child; -1: it did not run
	Signal      int      // that ended the child; 0: none
	Stdout      []string // the last lines of both, plain text
	Stderr      []string
	LogPath     string
	Host        string
	Feeds       []FeedCount
	Paces       []Pace
	VerdictCode exit.Code // exit code asked for by the child; 0 means 5
	Result      []byte    // inference: infer.Result as JSON
	Notes       []Note    // all of the program's, as in Renewal
	Working     WorkingFiles
	Mirrored    *Mirrored // as in Renewal
}

// WorkingFiles is what a program has written into its working directory.
type WorkingFiles struct {
	Folder        string // on the member's host
	Files         int64
	Bytes         int64
	Uploaded      int64 // files of them
	UploadedBytes int64
	Matched       []string // the job's patterns that matched a file
	Error         string   // why a file that matched was not uploaded; "": all were
}
