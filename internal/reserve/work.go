package reserve

import "context"

// Work is what a run has to do besides keeping its members: it assigns each member's
// share, publishes what members made, and completes the verdict. The server calls one
// method at a time: ShareOut first, and none after Finish or Clear.
type Work interface {
	// ShareOut works out what every member has to do, before there are members.
	// ctx ends when the run is interrupted.
	ShareOut(ctx context.Context) (Shares, Start)
	// Command takes a command of the driver that is not the server's own: its
	// name, and the whole line as JSON. known: the work has such a command.
	Command(ctx context.Context, name string, line []byte) (start Start, known bool)
	// Finish completes the verdict. It publishes the outputs of a run that has
	// succeeded. Else it deletes what is staged and cannot be resumed. The error is
	// that of the deletion.
	Finish(ctx context.Context, v Verdict, made Made) (Verdict, error)
	// Clear deletes what is staged by a run that ends without a verdict.
	Clear(ctx context.Context) error
}

// Open makes a run's work from its configuration, the JSON object that has the
// Config too.
type Open func(config []byte) (Work, error)

// Shares is what the members have to do.
type Shares struct {
	// Members has every required member's share, which goes into its Cluster; nil:
	// members get none.
	Members map[Place][]byte
	// Splits and Bytes are the whole input, for the run's progress; 0: not known.
	Splits, Bytes int64
	// Pace returns how fast a member was, by its reported result; nil: results do not
	// have it.
	Pace func(result []byte) []Pace
}

// Start is what the server does when the work knows what there is to do.
type Start struct {
	Events []Event
	End    Command // ends the run at once: Settle or Fail; nil: members have work
}

// Made is what members and the driver have reported about what they made.
type Made struct {
	Results [][]byte         // of members, in the plan's order
	Written map[string]int64 // rows of each feed that has ended
}
