package reserve

import "time"

// Config is what one run's reservation server is to watch over. The launcher's
// plan holds it, in one object with the configuration of the run's work; the
// driver hands that, with the address to listen on, to `tfos-node reserve` as the
// first line of its standard input.
type Config struct {
	Run     string         `json:"run"`
	Members []MemberConfig `json:"members"` // in the plan's order: ps, chief, worker, evaluator

	// Shared says that members may share an executor process (local[n] has
	// only one). Otherwise a second member on one executor is refused.
	Shared bool `json:"shared"`

	// ExecutorCores is how many cores each executor has, for the remedy when
	// the cluster does not form; 0: not known.
	ExecutorCores int `json:"executor_cores,omitempty"`
	// ExecutorMemory is the heap of each, as spark.executor.memory has it; "": not known.
	ExecutorMemory string `json:"executor_memory,omitempty"`

	// ReservationMS bounds the time from start until every member is
	// registered; LeaseMS is how long a member lives without renewal; StallMS
	// bounds the time without progress of any member. All in milliseconds, > 0.
	ReservationMS int64 `json:"reservation_ms"`
	LeaseMS       int64 `json:"lease_ms"`
	StallMS       int64 `json:"stall_ms"`

	// MeasureMS makes the run a measurement: it ends well so many milliseconds
	// after the first rows were used, and publishes no output; 0: it is none.
	MeasureMS int64 `json:"measure_ms,omitempty"`

	// MinRowsPerSecond fails a run that succeeds but used fewer rows a second. Its outputs
	// stay. 0: none is too slow.
	MinRowsPerSecond float64 `json:"min_rows_per_second,omitempty"`

	Feeds []FeedConfig `json:"feeds,omitempty"`

	// Uploads is where files of members' working directories are brought; nil:
	// nowhere.
	Uploads *UploadConfig `json:"uploads,omitempty"`
}

// MemberConfig is one place in the roster.
type MemberConfig struct {
	Job   string `json:"job"` // ps, chief, worker, evaluator
	Index int    `json:"index"`
	// Required members must succeed for the run to succeed; the others are
	// stopped when all required ones have, and how they end is ignored.
	Required bool `json:"required"`
	// Feeds whose rows it takes, by name: it counts for their low-water marks.
	Feeds []string `json:"feeds,omitempty"`
}

// Purpose is what the rows of a feed are for.
type Purpose string

const (
	Train      Purpose = "train"
	Validation Purpose = "validation"
	// Predict feeds are inference's: Spark takes the rows back predicted, and members'
	// results have their account.
	Predict Purpose = "predict"
)

// FeedConfig is one named feed.
type FeedConfig struct {
	Name    string  `json:"name"`
	Purpose Purpose `json:"purpose"`
	// Synchronous feeds have a low-water mark, sent to every member that takes it.
	Synchronous bool `json:"synchronous,omitempty"`
	// Epochs is how often it is sent; 0: until no member wants more.
	Epochs int `json:"epochs"`
	// Cached says that members keep the first epoch's rows where they have the
	// room; later epochs then come from there.
	Cached bool `json:"cached,omitempty"`
}

// UploadConfig says where files that programs write into their working directories
// are brought: to Folder, as <job>-<index>/<path>.
type UploadConfig struct {
	Folder   string   `json:"folder"`   // absolute
	Patterns []string `json:"patterns"` // of the job file, for messages: members match
}

// Lease is LeaseMS as a duration.
func (c Config) Lease() time.Duration { return time.Duration(c.LeaseMS) * time.Millisecond }

// Measure is MeasureMS as a duration.
func (c Config) Measure() time.Duration { return time.Duration(c.MeasureMS) * time.Millisecond }

// Reservation is ReservationMS as a duration.
func (c Config) Reservation() time.Duration { return time.Duration(c.ReservationMS) * time.Millisecond }

// Stall is StallMS as a duration.
func (c Config) Stall() time.Duration { return time.Duration(c.StallMS) * time.Millisecond }
