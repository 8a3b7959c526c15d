package node

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"tfos/internal/feed"
	"tfos/internal/proc"
	"tfos/internal/reserve"
	"tfos/internal/store"
)

const (
	// drainTime limits how long the member reads the output of an ended child. Frames
	// in its sockets and lines in its pipes are available at once. But if the
	// executor's standard error blocks, the reader may block for ever.
	drainTime = 2 * time.Second
	// reportTimeout limits the report of a member that was stopped or lost.
	reportTimeout = 3 * time.Second
)

// member is one run of `tfos-node run` after its assignment was read. The goroutine
// of live owns it. Fields marked "any goroutine" are used by others too.
type member struct {
	Assignment
	place     reserve.Place
	log       *slog.Logger
	stderr    io.Writer // this process's
	grace     time.Duration
	files     string            // the files folder, absolute
	host      string            // this machine's name, for people
	libraries <-chan tensorFlow // of an engine; sent once. nil: the child is no engine
	endings   *endings          // any goroutine

	folder    folder // the working directory of a Python program
	uploading atomic.Bool
	uploaded  atomic.Int64 // bytes; counts as progress

	guard     *guardian
	gpus      *gpuSetup
	used      *usageMeter    // any goroutine
	output    *output        // any goroutine
	program   *programReport // any goroutine
	rows      *feed.Receiver // any goroutine
	client    *reserve.Client
	port      *heldPort
	listeners *listeners
	cluster   chan reserve.Cluster // from the server; sent once

	mu              sync.Mutex
	context         feed.ProgramContext // set before the child starts
	phaseAfterChild string              // "": the child has not ended
	model           *modelDir           // nil: none, or not yet
	stored          []*storedOutput     // those that this member writes

	copies  sync.WaitGroup     // goroutines that copy the child's output
	tasks   sync.WaitGroup     // all other goroutines
	release context.CancelFunc // ends both
}

// newMember acquires what a member needs on its executor. After an error nothing
// is left. After success the caller must call live.
func newMember(ctx context.Context, o Options, a Assignment) (*member, error) {
	if a.Storage != nil {
		store.Configure(a.Storage)
	}
	if err := proc.AdoptOrphans(); err != nil {
		return nil, err
	}
	files, err := filepath.Abs(a.Files)
	if err != nil {
		return nil, fmt.Errorf("node: the files folder: %w", err)
	}
	address, err := routeAddress(a.Server)
	if err != nil {
		return nil, err
	}
	client, err := reserve.Dial(ctx, a.credentials())
	if err != nil {
		return nil, err
	}
	place := reserve.Place{Job: a.Job, Index: a.Index}
	m := &member{
		Assignment: a, place: place, log: o.Log, stderr: o.Stderr, grace: o.Grace,
		files: files, host: hostName(address), endings: newEndings(), client: client,
		program: newProgramReport(), cluster: make(chan reserve.Cluster, 1),
	}
	store.OnWarning(m.warnUser)
	if m.port, err = holdPort(); err != nil {
		return nil, err
	}
	// own outlives ctx: after SIGTERM the member still has to report.
	own, release := context.WithCancel(context.WithoutCancel(ctx))
	m.release = release
	if a.Config.Child.Kind == childEngine {
		m.libraries = m.findLibraries(own) // while the guard starts and the cluster forms
	}
	if m.guard, err = startGuard(a.Config.Run, o.Log); err != nil {
		release()
		m.tasks.Wait()
		m.port.release()
		return nil, err
	}
	m.used = newUsageMeter(m.guard.cmd.Process.Pid)
	m.rows = feed.NewReceiver(a.feeds(), a.Token, place.String(), m.guard.work)
	m.output = openOutput(logPlaces(a.Config.LogDir, files, fmt.Sprintf("%s-%d", a.Job, a.Index), envVar), o.Stderr, o.Log)
	if err := m.startServices(own, o, address); err != nil {
		m.shutDown()
		return nil, err
	}
	return m, nil
}

// warnUser adds a warning to the next renewal, and renews at once.
func (m *member) warnUser(text string) {
	m.program.addNote(reserve.Note{Kind: reserve.NoteWarning, Text: text})
	m.client.Renew()
}

// startServices starts everything that runs beside the child. It ends with own.
func (m *member) startServices(own context.Context, o Options, address string) error {
	m.copies.Go(func() { m.output.copyFrom(m.guard.stdout, m.output.stdout) })
	m.copies.Go(func() { m.output.copyFrom(m.guard.stderr, m.output.stderr) })
	m.tasks.Go(func() { m.watchExecutor(own, o.Stdout) })
	if err := m.openFolder(own); err != nil {
		return err
	}
	listeners, err := openListeners(own, m.guard.work, address, m.Assignment, m.serveTask, m.serveProgram, m.log)
	if err != nil {
		return err
	}
	m.listeners = listeners
	executor, err := executorIdentity()
	if err != nil {
		return err
	}
	registration := reserve.Registration{
		Place: m.place, Address: net.JoinHostPort(address, strconv.Itoa(m.port.port)), Feed: listeners.address,
		Executor: executor, Host: m.host, LogPath: m.output.path,
	}
	m.tasks.Go(func() { m.join(own, registration) })
	m.tasks.Go(func() { m.renewOnChange(own) })
	return nil
}

// openFolder makes the working directory of a Python program.
func (m *member) openFolder(ctx context.Context) error {
	child := m.Config.Child
	if child.Kind != childPython {
		return nil
	}
	archive := child.Archive
	if archive != "" {
		archive = resolvePath(m.files, archive)
	}
	var err error
	m.folder, err = openFolder(ctx, m.files, fmt.Sprintf("%s-%d", m.Job, m.Index), archive)
	return err
}

// workingDirectory returns the child's working directory.
func (m *member) workingDirectory() string { return cmp.Or(m.folder.path, m.files) }

// join registers the member and renews its lease, until ctx ends or the membership ends.
// The end of the membership ends the member.
func (m *member) join(ctx context.Context, r reserve.Registration) {
	given := false
	err := m.client.Join(ctx, r, reserve.Handler{
		Renewal: m.renewal,
		Registered: func(r reserve.Registered) {
			m.log.Info("node: registered", "incarnation", r.Incarnation, "lease", r.Lease)
			m.output.writeTitle("run %s, %s, incarnation %d", m.Config.Run, m.place, r.Incarnation)
		},
		Cluster: func(c reserve.Cluster) {
			if given { // a later generation, which needs another supervisor
				m.endings.addEnding(ending{kind: reserve.Lost, cause: fmt.Sprintf("generation %d began", c.Generation), hard: true, silent: true, status: ExitRetry})
				return
			}
			given = true
			m.cluster <- c
		},
		TrainingEnded: func() {
			m.tasks.Go(func() {
				m.pullModel(ctx)
				m.program.trainingEnded.markDone()
			})
		},
		LowWater: func(w reserve.LowWater) { m.warn("low-water mark", m.rows.SetLowWater(w.Feed, w.Step, w.Final)) },
		FeedEnd:  m.feedEnded,
		Replay:   func(r reserve.Replay) { m.warn("replay of a feed", m.rows.Replay(r.Feed, r.Epochs)) },
		Stop: func(reason string) {
			m.endings.addEnding(ending{kind: reserve.Stopped, cause: reason})
		},
	})
	if ctx.Err() == nil {
		m.endings.addEnding(joinEnding(err))
	}
}

// renewOnChange renews at once when a count of the feeds changes for which the server
// waits: steps, ends, stops. It returns when ctx ends.
func (m *member) renewOnChange(ctx context.Context) {
	for {
		select {
		case <-m.rows.Changed():
			m.client.Renew()
		case <-ctx.Done():
			return
		}
	}
}

func (m *member) warn(doing string, err error) {
	if err != nil {
		m.log.Warn("node: "+doing, "error", err)
	}
}

// renewal returns the member's state and counts at this moment.
func (m *member) renewal() reserve.Renewal {
	program := m.program.summary()
	m.mu.Lock()
	if m.phaseAfterChild != "" {
		program.phase = m.phaseAfterChild
	}
	m.mu.Unlock()
	usage, gpus := m.used.usage()
	usage.Written += m.uploaded.Load()
	return reserve.Renewal{
		Phase: program.phase, Feeds: m.counts(), LogBytes: m.output.bytes.Load(),
		Splits: program.progress.Splits, SplitRows: program.progress.Rows, SplitBytes: program.progress.Bytes, Notes: program.notes, Paces: m.paces(),
		Usage: usage, GPUs: gpus, Uploading: m.uploading.Load(), Training: (*reserve.Training)(program.progress.Training),
		Mirrored: m.mirrored(),
	}
}

func (m *member) counts() []reserve.FeedCount {
	var out []reserve.FeedCount
	for _, c := range m.rows.Counts() {
		out = append(out, reserve.FeedCount(c))
	}
	return out
}

func (m *member) paces() []reserve.Pace {
	var out []reserve.Pace
	for _, p := range m.rows.Paces() {
		pace := reserve.Pace{Feed: p.Feed, Rows: p.Rows, Seconds: p.Seconds, Waited: p.Waited, Steps: map[int]int64{}}
		for _, step := range p.Steps {
			pace.Steps[int(step[0])] += step[1]
		}
		out = append(out, pace)
	}
	return out
}

// findLibraries looks for what an engine loads. Python may be asked, which takes some time.
func (m *member) findLibraries(ctx context.Context) <-chan tensorFlow {
	interpreter := childPlan{assignment: m.Assignment, files: m.files}.interpreter()
	found := make(chan tensorFlow, 1)
	m.tasks.Go(func() {
		found <- tensorFlow{
			dir:       libraryDir(ctx, m.Config.Child, m.files, interpreter, m.log),
			libraries: opLibraries(ctx, m.Config.Child, m.files, interpreter, m.log),
		}
	})
	return found
}

// childCommand returns the child's command in cluster c, and sets the context of
// the child's program. The member's GPUs are ready.
func (m *member) childCommand(c reserve.Cluster) (command, error) {
	var members []memberAddress
	number := 0
	for i, other := range c.Members {
		members = append(members, memberAddress{Job: other.Job, Index: other.Index, Address: other.Address, Host: other.Host})
		if other.Place == m.place {
			number = i
		}
	}
	config, err := tfConfig(members, m.Job, m.Index)
	if err != nil {
		return command{}, err
	}
	given, err := m.programSettings()
	if err != nil {
		return command{}, err
	}
	modelDir, modelURL := m.programModel()
	exportDir := m.storedPath(StoredExport)
	m.mu.Lock()
	m.context = feed.ProgramContext{
		Run: m.Config.Run, Kind: m.Config.Kind, JobName: m.Job, TaskIndex: m.Index, WorkerNum: number,
		Cluster: clusterSpec(members), Files: m.workingDirectory(), Feeds: m.Assignment.feeds(), Context: given, Work: c.Work,
		ModelDir: modelDir, ModelURL: modelURL, ExportDir: exportDir,
	}
	if m.Config.Child.Kind == childEngine { // a Python program has its own ways to its files
		m.context.Storage = m.Storage
	}
	m.mu.Unlock()
	return childPlan{
		assignment: m.Assignment, files: m.files, dir: m.workingDirectory(), work: m.guard.work, tfConfig: config,
		tensorFlow: m.gpus.loaded, members: members, host: m.host, base: environment(), gpus: m.gpus.claim,
	}.command(), nil
}
