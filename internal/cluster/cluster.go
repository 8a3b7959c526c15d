package cluster

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"tfos/internal/exit"
)

// Kind is a kind of Spark master.
type Kind string

const (
	None         Kind = "none"  // no Spark
	Local        Kind = "local" // threads of the Spark driver: local[n]
	LocalCluster Kind = "local-cluster"
	Standalone   Kind = "standalone"
	YARN         Kind = "yarn"
	Kubernetes   Kind = "k8s"
	Mesos        Kind = "mesos"
)

// Config is what a Manager is made of.
type Config struct {
	Kind   Kind
	Master string // spark.master
	// Conf has the Spark settings of the job and of the site's spark-defaults.conf, with the
	// run's key in [YARNTags] or [ExecutorLabel]. It may have secrets.
	Conf map[string]string
	// Env is the environment of the launcher: HADOOP_CONF_DIR, KUBECONFIG.
	Env func(name string) string `json:"-"`
}

// Manager is the cluster manager of one run's application. Calls end with ctx, and none
// takes longer than [callTimeout] with all its repetitions. Methods may be called from any
// goroutine.
type Manager interface {
	// Reach returns nil if the manager answers. Otherwise the error has the code NoSpark,
	// and says what to do. A manager that cannot be asked is reached.
	Reach(ctx context.Context) error
	// Find returns the run's application by the run's key, also of one that has ended. If
	// the manager knows none, or is one that cannot be asked, the error is ErrUnknown. One
	// that does not answer is another error.
	Find(ctx context.Context) (App, error)
	// State returns how an application is. The error is ErrUnknown as Find's is.
	State(ctx context.Context, app App) (State, error)
	// Kill ends an application at once. It returns nil if the application has ended
	// already. It does not wait for the end: ask State.
	Kill(ctx context.Context, app App) error
	// Executors returns the executors that have ended, in the order in which they began.
	// After the application's end these are all, as far as the manager still knows them.
	Executors(ctx context.Context, app App) ([]Executor, error)
}

// Follower is a Manager of a cluster that soon forgets executors: it has to look on while the
// run goes on, and to clean up after it.
type Follower interface {
	Manager
	// Follow looks on until ctx ends.
	Follow(ctx context.Context)
	// Clean ends what an application whose driver is gone has left in the cluster.
	Clean(ctx context.Context) error
}

// Housing is a Manager of a cluster in which this process may run itself.
type Housing interface {
	Manager
	// Own returns the settings by which what the application makes in the cluster belongs to
	// the place of this process, and goes with it. host is the name of this machine. Nil:
	// this process is not in the cluster.
	Own(ctx context.Context, host string) map[string]string
}

// ErrUnknown says that the manager does not know an application.
var ErrUnknown = errors.New("cluster: the manager does not know the application")

// App names an application.
type App struct {
	ID string // Spark's: app-…, application_…, spark-…
	// ManagerURL is the manager's web address, as far as only the driver knows it: a
	// standalone master's. "": not known.
	ManagerURL string
}

// Phase is where an application is in its life.
type Phase string

const (
	Waiting   Phase = "waiting" // for resources, an image, a place in a queue
	Running   Phase = "running"
	Succeeded Phase = "succeeded"
	Failed    Phase = "failed"
	Killed    Phase = "killed"
)

// Ended says that nothing of the application runs any more.
func (p Phase) Ended() bool { return p == Succeeded || p == Failed || p == Killed }

// State is how an application is, by its manager.
type State struct {
	App   App
	Phase Phase
	// Cause is why the application waits, or how it ended. "": the manager does not say.
	Cause Cause
	// Words are the manager's own, in one line, with queue, quota or image by name.
	Words    string
	Final    bool   // what the application waits for will not come
	Queue    string // of YARN, namespace of Kubernetes; "": neither
	URL      string // a web page of the application
	ExitCode int    // of the driver's container; 0: not known, or success
	// Lines are the last ones of the driver's output, of an application that has ended. Nil:
	// the manager does not have them, or the driver is on the launcher's machine.
	Lines []string
	// Logs are the pages of the driver's output, for a [LogReader] that has no Lines: those of
	// an application that has failed in cluster mode. The first that has lines says most.
	Logs []string
}

// LogReader is a Manager that has the logs of members, and of drivers, that are gone.
type LogReader interface {
	// Lines returns the last lines of the log that is, or was, shown at page.
	Lines(ctx context.Context, page string) ([]string, error)
}

// Executor is an executor that has ended.
type Executor struct {
	ID       string // Spark's
	Host     string
	Cause    Cause
	Words    string // of the manager, in one line
	ExitCode int    // 0: not known, or success
	LogURL   string // where its output is; "": not known
	// Lines are the last ones of its standard error, at most [TailLines].
	Lines []string
}

// TailLines is how many lines of a log are read.
const TailLines = 20

// RunKey returns the word by which a run is found at its manager: lower case letters,
// digits and dashes, at most 54 characters, as tags of YARN, labels and names of pods may
// have. record is where the record of the run is, with the host if only that sees it: two runs
// of one id, of two jobs or users, have two keys.
func RunKey(run, record string) string {
	sum := sha256.Sum256([]byte(run + "\x00" + record))
	word := strings.Trim(notInKeys.ReplaceAllString(strings.ToLower(run), "-"), "-")
	return fmt.Sprintf("tfos-%s-%s", strings.TrimRight(word[:min(len(word), 40)], "-"), hex.EncodeToString(sum[:4]))
}

// Settings of Spark that hold the key of a run.
const (
	YARNTags      = "spark.yarn.tags" // the key is the last one
	ExecutorLabel = "spark.kubernetes.executor.label." + runLabel
)

// keyOf returns the key of the run in its settings.
func keyOf(conf map[string]string) string {
	tags := strings.Split(conf[YARNTags], ",")
	return cmp.Or(conf[ExecutorLabel], tags[len(tags)-1])
}

var notInKeys = regexp.MustCompile(`[^a-z0-9]+`)

// Open returns the manager of a run. It connects to nothing. An error is a setting that
// cannot be used.
func Open(c Config) (Manager, error) {
	switch c.Kind {
	case Standalone:
		return openStandalone(c), nil
	case YARN:
		return openYARN(c)
	case Kubernetes:
		return openKubernetes(c)
	default:
		return Unasked{}, nil
	}
}

// Unasked is the manager of masters that cannot be asked: processes of the launcher's own,
// and Mesos, of which tfos only knows the command line.
type Unasked struct{}

func (Unasked) Reach(context.Context) error                        { return nil }
func (Unasked) Find(context.Context) (App, error)                  { return App{}, ErrUnknown }
func (Unasked) State(context.Context, App) (State, error)          { return State{}, ErrUnknown }
func (Unasked) Kill(context.Context, App) error                    { return ErrUnknown }
func (Unasked) Executors(context.Context, App) ([]Executor, error) { return nil, nil }

// Error is an error with an exit code.
type Error struct {
	Code exit.Code
	Err  error
}

func (e *Error) Error() string       { return e.Err.Error() }
func (e *Error) Unwrap() error       { return e.Err }
func (e *Error) ExitCode() exit.Code { return e.Code }

// unreachable is the error of a manager that does not answer.
func unreachable(format string, args ...any) error {
	return &Error{exit.NoSpark, fmt.Errorf("cluster: "+format, args...)}
}
