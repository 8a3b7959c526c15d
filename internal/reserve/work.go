package reserve

import "context"

// Work is what a run has to do, beside keeping its members: what each of them
// gets, what becomes of what they made, and the part of the verdict that is about
// it. The server calls one method at a time: ShareOut first, and nothing after
// Finish or Clear.
type Work interface {
	// ShareOut works out what every member has to do, before there are members.
	// ctx ends when the run is interrupted.
	ShareOut(ctx context.Context) (Shares, Start)
	// Command takes a command of the driver that is not the server's own: its
	// name, and the whole line as JSON. known: the work has such a command.
	Command(ctx context.Context, name string, line []byte) (start Start, known bool)
	// Finish publishes the outputs of a run that has succeeded, or deletes what is
	// staged and of no use to anybody, and completes the verdict. The error is
	// about what was to be deleted.
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
	// Splits and Bytes are what there is to do in all, for the run's progress; 0:
	// not known.
	Splits, Bytes int64
	// Pace is how fast a member was, by the result that it has reported; nil:
	// results do not say.
	Pace func(result []byte) []Pace
}

// Start is what follows when the work knows what there is to do.
type Start struct {
	Events []Event
	End    Command // ends the run at once: Settle or Fail; nil: members have work
}

// Made is what members and the driver have said of what they made.
type Made struct {
	Results [][]byte         // of members, in the plan's order
	Written map[string]int64 // rows of each feed that has ended
}
