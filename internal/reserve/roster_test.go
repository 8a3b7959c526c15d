package reserve

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"tfos/internal/exit"
	"tfos/internal/record"
)

// TestRoster runs the scripts of testdata/roster. Each "run" gives operations,
// one a line; the expected output is the log of what the roster wants done.
// Operations:
//
//	new lease=10s reservation=60s stall=60s [shared] [cores=2] [memory=1g] [measure=1m] [members=(…)] [feeds=(…)]
//	    members end in + when required and * when fed; feeds in ! when synchronous,
//	    and then in #N when they are sent N times and may be cached
//	register NAME session=N executor=E [inc=N] [port=N]
//	renew session=N seq=N [phase=P] [log=N] [splits=N] [rows=N] [uploading] [FEED/EPOCH=(received,trained,dropped,quarantined,steps[,stopped][,left][,ended][,cached][,xN])]… [pace/FEED=(rows,seconds,waited,step us,step us…)]
//	disconnect session=N
//	report NAME inc=N KIND [cause=(…)] [code=N] [exit=N] [signal=N] [FEED/EPOCH=(…)]…
//	feed-end FEED epoch=N rows=N [last]
//	fail code=N phase=P cause=(…)
//	spark-failed phase=P cause=(…)
//	executor-died ID [host=H] [reason=(…)] [exit=N] [log-path=P] [living=N]
//	stop reason=(…)
//	advance D     time passes; every deadline in it is kept, at its time
//	verdict
func TestRoster(t *testing.T) {
	datadriven.Walk(t, "testdata/roster", func(t *testing.T, path string) {
		s := &script{now: time.Unix(1000, 0)}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd != "run" {
				d.Fatalf(t, "unknown directive %s", d.Cmd)
			}
			s.log.Reset()
			for line := range strings.Lines(d.Input) {
				line = strings.TrimSpace(line)
				fmt.Fprintf(&s.log, "%s\n", line)
				cmd, args, err := datadriven.ParseLine(line)
				if err != nil {
					d.Fatalf(t, "%v", err)
				}
				if err := s.operate(&datadriven.TestData{Cmd: cmd, CmdArgs: args}); err != nil {
					d.Fatalf(t, "%s: %v", line, err)
				}
			}
			return s.log.String()
		})
	})
}

type script struct {
	roster     *Roster
	began, now time.Time
	log        strings.Builder
}

func (s *script) operate(d *datadriven.TestData) error {
	args := operands(d)
	switch d.Cmd {
	case "new":
		s.began = s.now
		cfg := args.config()
		s.roster = NewRoster(cfg, Shares{}, s.now)
		s.logEffects(s.roster.Tick(s.now))
		return cfg.validate()
	case "register":
		place := args.place()
		s.logEffects(s.roster.Register(s.now, int64(args.number("session")), Registration{Place: place,
			Address: fmt.Sprintf("%s:%d", args.text("host", "h"), args.number("port")), Executor: args.text("executor", ""),
			Host: args.text("host", "h"), LogPath: "/log/" + place.String()}, int64(args.number("inc"))))
	case "renew":
		s.logEffects(s.roster.Renew(s.now, int64(args.number("session")), Renewal{Phase: args.text("phase", ""), Feeds: args.counts(),
			LogBytes: int64(args.number("log")), Splits: int64(args.number("splits")), SplitRows: int64(args.number("rows")), Notes: args.notes(), Paces: args.paces(), Usage: args.usage(), GPUs: args.gpus(), Uploading: args.has("uploading")}, int64(args.number("seq"))))
	case "disconnect":
		s.logEffects(s.roster.Disconnected(s.now, int64(args.number("session"))))
	case "report":
		s.logEffects(s.roster.Report(s.now, Outcome{Place: args.place(), Kind: args.kind(), Cause: args.text("cause", ""), Phase: args.text("phase", "running"),
			VerdictCode: exit.Code(args.number("code")), ExitCode: args.number("exit"), Signal: args.number("signal"), Feeds: args.counts(), Paces: args.paces()}, int64(args.number("inc"))))
	case "feed-end":
		s.logEffects(s.roster.Command(s.now, FeedEnded{d.CmdArgs[0].Key, args.number("epoch"), int64(args.number("rows")), args.has("last"), args.has("stopped")}))
	case "fail":
		s.logEffects(s.roster.Command(s.now, Fail{Code: exit.Code(args.number("code")), Phase: args.text("phase", ""), Cause: args.text("cause", "")}))
	case "spark-failed":
		s.logEffects(s.roster.Command(s.now, SparkFailed{args.text("phase", ""), args.text("cause", "")}))
	case "executor-died":
		s.logEffects(s.roster.Command(s.now, ExecutorDied{Executor: d.CmdArgs[0].Key, Host: args.text("host", ""), Reason: args.text("reason", ""),
			ExitCode: args.number("exit"), LogPath: args.text("log-path", ""), Living: args.number("living")}))
	case "stop":
		s.logEffects(s.roster.Command(s.now, StopRun{args.text("reason", "")}))
	case "advance":
		return s.advance(d.CmdArgs[0].Key)
	case "verdict":
		line, err := record.Encode(s.roster.Verdict())
		fmt.Fprintf(&s.log, "  %s\n", line)
		return err
	default:
		return errors.New("unknown operation")
	}
	return nil
}

// advance keeps each deadline at its time, as the server's timer does.
func (s *script) advance(by string) error {
	d, err := time.ParseDuration(by)
	if err != nil {
		return err
	}
	end := s.now.Add(d)
	for n := 0; ; n++ {
		next := s.roster.NextDeadline()
		if next.IsZero() || next.After(end) {
			s.now = end
			return nil
		}
		if n > 1000 {
			return errors.New("the deadline does not move")
		}
		if next.After(s.now) {
			s.now = next
		}
		s.logEffects(s.roster.Tick(s.now))
	}
}

func (s *script) logEffects(effects []Effect) {
	for _, e := range effects {
		fmt.Fprintf(&s.log, "  %s %s\n", s.now.Sub(s.began), describe(e))
	}
}

func describe(e Effect) string {
	switch e := e.(type) {
	case Send:
		return fmt.Sprintf("to %d: %s", e.Session, strings.TrimPrefix(fmt.Sprintf("%T%+v", e.Message, e.Message), "reserve."))
	case Close:
		return fmt.Sprintf("close %d", e.Session)
	case Emit:
		line, err := record.Encode(e.Event)
		if err != nil {
			return err.Error()
		}
		return "emit " + string(line)
	case Decided:
		return fmt.Sprintf("decided %d %s %q", e.Code, e.Member, e.Cause)
	case Drained:
		return "drained"
	}
	return fmt.Sprintf("%T?", e)
}

// operandSet are the operands of one operation.
type operandSet struct{ d *datadriven.TestData }

func operands(d *datadriven.TestData) operandSet { return operandSet{d} }

func (o operandSet) has(key string) bool { return o.d.HasArg(key) }

func (o operandSet) text(key, absent string) string {
	if arg, ok := o.values(key); ok {
		return strings.Join(arg, ", ")
	}
	return absent
}

func (o operandSet) number(key string) int {
	n, err := strconv.Atoi(o.text(key, "0"))
	if err != nil {
		panic(fmt.Sprintf("%s: %v", key, err))
	}
	return n
}

func (o operandSet) millis(key, absent string) int64 {
	d, err := time.ParseDuration(o.text(key, absent))
	if err != nil {
		panic(fmt.Sprintf("%s: %v", key, err))
	}
	return d.Milliseconds()
}

func parsePlace(name string) Place {
	job, index, _ := strings.Cut(name, ":")
	n, err := strconv.Atoi(index)
	if err != nil {
		panic(fmt.Sprintf("member %q: %v", name, err))
	}
	return Place{job, n}
}

// notes are warn=(text,...) and tensorboard=url.
func (o operandSet) notes() []Note {
	var out []Note
	if url, ok := o.values("tensorboard"); ok {
		out = append(out, Note{NoteTensorBoard, url[0]})
	}
	warnings, _ := o.values("warn")
	for _, text := range warnings {
		out = append(out, Note{NoteWarning, text})
	}
	return out
}

func (o operandSet) place() Place { return parsePlace(o.d.CmdArgs[0].Key) }

func (o operandSet) kind() Kind {
	for k := Succeeded; k <= Stopped; k++ {
		if o.has(k.String()) {
			return k
		}
	}
	panic("no kind of outcome")
}

func (o operandSet) config() Config {
	c := Config{Run: "r", Shared: o.has("shared"), ExecutorCores: o.number("cores"), ExecutorMemory: o.text("memory", ""),
		LeaseMS: o.millis("lease", "10s"), ReservationMS: o.millis("reservation", "60s"), StallMS: o.millis("stall", "60s"), MeasureMS: o.millis("measure", "0s")}
	feeds, _ := o.values("feeds")
	var all []string
	for _, f := range feeds {
		f, epochs, cached := strings.Cut(f, "#")
		feed := FeedConfig{Name: strings.TrimRight(f, "!"), Synchronous: strings.HasSuffix(f, "!"), Epochs: 1, Cached: cached}
		if n, err := strconv.Atoi(epochs); err == nil {
			feed.Epochs = n
		}
		c.Feeds = append(c.Feeds, feed)
		all = append(all, feed.Name)
	}
	members, _ := o.values("members")
	for _, m := range members { // worker:0, + is required, * takes all feeds, *train only that
		name, feed, some := strings.Cut(m, "*")
		var takes []string
		switch {
		case feed != "":
			takes = []string{feed}
		case some:
			takes = all
		}
		p := parsePlace(strings.TrimRight(name, "+"))
		c.Members = append(c.Members, MemberConfig{Job: p.Job, Index: p.Index, Required: strings.Contains(m, "+"), Feeds: takes})
	}
	return c
}

func (o operandSet) counts() []FeedCount {
	var out []FeedCount
	for _, arg := range o.d.CmdArgs {
		feed, epoch, found := strings.Cut(arg.Key, "/")
		if !found || feed == "pace" {
			continue
		}
		n := make([]int64, 5)
		e, err := strconv.Atoi(epoch)
		for i := 0; i < len(n) && i < len(arg.Vals) && err == nil; i++ {
			n[i], err = strconv.ParseInt(arg.Vals[i], 10, 64)
		}
		if err != nil {
			panic(fmt.Sprintf("%s: %v", arg.Key, err))
		}
		out = append(out, FeedCount{Feed: feed, Epoch: e, Received: n[0], Trained: n[1], Dropped: n[2], Quarantined: n[3],
			StepsHeld: n[4], Stopped: slices.Contains(arg.Vals, "stopped"), Left: slices.Contains(arg.Vals, "left"),
			Ended: slices.Contains(arg.Vals, "ended"), Cached: slices.Contains(arg.Vals, "cached"), Epochs: summed(arg.Vals)})
	}
	return out
}

// summed is N of xN: how many epochs a count sums up.
func summed(values []string) int {
	for _, v := range values {
		if n, err := strconv.Atoi(strings.TrimPrefix(v, "x")); err == nil && v[0] == 'x' {
			return n
		}
	}
	return 0
}

// usage is cpu=5s, gpu=5s, written=bytes and stuck=word.
func (o operandSet) usage() Usage {
	return Usage{CPU: time.Duration(o.millis("cpu", "0s")) * time.Millisecond, GPU: time.Duration(o.millis("gpu", "0s")) * time.Millisecond,
		Written: int64(o.number("written")), Stuck: o.text("stuck", "")}
}

// gpus are device=(percent,mean,MiB,highest MiB) of one device of 1000 MiB.
func (o operandSet) gpus() []GPU {
	given, ok := o.values("device")
	if !ok {
		return nil
	}
	var n [4]int64
	for i, text := range given {
		var err error
		if n[i], err = strconv.ParseInt(text, 10, 64); err != nil {
			panic(err)
		}
	}
	return []GPU{{Device: "GPU 0", Percent: int(n[0]), Mean: float64(n[1]), UsedMiB: n[2], HighestMiB: n[3], TotalMiB: 1000}}
}

// paces are pace/FEED=(rows,seconds,waited,bucket of a step…).
func (o operandSet) paces() []Pace {
	var out []Pace
	for _, arg := range o.d.CmdArgs {
		feed, found := strings.CutPrefix(arg.Key, "pace/")
		if !found {
			continue
		}
		n := make([]float64, len(arg.Vals))
		for i, text := range arg.Vals {
			var err error
			if n[i], err = strconv.ParseFloat(text, 64); err != nil {
				panic(fmt.Sprintf("%s: %v", arg.Key, err))
			}
		}
		p := Pace{Feed: feed, Rows: int64(n[0]), Seconds: n[1], Waited: n[2], Steps: map[int]int64{}}
		for _, bucket := range n[3:] {
			p.Steps[int(bucket)]++
		}
		out = append(out, p)
	}
	return out
}

func (o operandSet) values(key string) ([]string, bool) {
	for _, arg := range o.d.CmdArgs {
		if arg.Key == key {
			return arg.Vals, true
		}
	}
	return nil, false
}
