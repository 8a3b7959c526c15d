package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"tfos/internal/engine"
	"tfos/internal/model"
)

// memberVariable holds a memberTask. The test binary then is that member.
const memberVariable = "TFOS_TEST_MEMBER"

// memberTask is what a member of a test's cluster does.
type memberTask struct {
	Source  model.TrainingSource
	Cluster engine.Cluster
	Batches string // an Arrow file with a record batch for each step
	// First and Rows choose rows of each batch. Rows 0: all.
	First, Rows int64
	From, To    int           // the batches of its steps. To 0: to the last
	Idle        bool          // takes no step
	Evaluate    bool          // the first batch, at the end
	Late        time.Duration // from the start of the process to that of the server
	Restore     string        // the prefix of a checkpoint to begin from. "": the graph's own values
	Save        string        // the prefix of a checkpoint at the end. "": none
	Folder      string        // in which the member runs. "": the test's
	Out         string        // a file for its memberResult
}

type memberResult struct {
	Losses []float64
	Counts []int64
	Final  int64 // the count when all trainers have finished
	// Evaluated are the metrics of memberTask.Evaluate.
	Evaluated []float64
	Divided   []string // variables
	Warnings  []string
}

// runMember is a member's whole life. It ends with the test.
func runMember(text string) error {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // until the test, or its process, ends
		os.Exit(1)
	}()
	var task memberTask
	if err := json.Unmarshal([]byte(text), &task); err != nil {
		return err
	}
	if task.Cluster.Job == "ps" {
		if _, err := engine.StartServer(task.Cluster); err != nil {
			return err
		}
		select {} // until it is killed
	}
	time.Sleep(task.Late)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	read, err := task.Source.Open()
	if err != nil {
		return err
	}
	var warnings []string
	warn := func(text string) { warnings = append(warnings, text) }
	graph, err := engine.OpenTraining(ctx, read, engine.TrainingOptions{Cluster: task.Cluster, Warn: warn})
	if err != nil {
		return err
	}
	result, err := task.train(ctx, read, graph)
	result.Warnings = warnings
	if err != nil {
		return err
	}
	raw, err := json.Marshal(result)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(task.Out, raw, 0o644), graph.Close())
}

func (task *memberTask) train(ctx context.Context, read *model.Training, graph *engine.Training) (memberResult, error) {
	var result memberResult
	served := task.Source.Strategy == model.ParameterServer
	if !served || task.Cluster.Task == 0 {
		if err := task.begin(ctx, graph); err != nil {
			return result, err
		}
	}
	for {
		ready, err := graph.Initialized(ctx)
		if err != nil {
			return result, err
		}
		if ready {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	rows, err := readBatches(task.Batches)
	if err != nil {
		return result, err
	}
	if task.To == 0 {
		task.To = len(rows)
	}
	if task.Idle {
		task.To = task.From
	}
	for _, batch := range rows[task.From:task.To] {
		if task.Rows > 0 {
			batch = batch.NewSlice(task.First, task.First+task.Rows)
		}
		values, count, err := graph.Step(ctx, batch)
		if err != nil {
			return result, err
		}
		result.Losses, result.Counts = append(result.Losses, values[0]), append(result.Counts, count)
	}
	result.Divided, _ = graph.Divided()
	if task.Evaluate {
		if result.Evaluated, err = graph.Evaluate(ctx, rows[0]); err != nil {
			return result, err
		}
	}
	return result, task.finish(ctx, graph, &result)
}

func (task *memberTask) begin(ctx context.Context, graph *engine.Training) error {
	if task.Restore != "" {
		return graph.Restore(ctx, task.Restore)
	}
	_, err := graph.Begin(ctx)
	return err
}

// finish ends as internal/train does: the first worker saves when all have finished, and
// the others wait until it has.
func (task *memberTask) finish(ctx context.Context, graph *engine.Training, result *memberResult) error {
	if err := graph.Finish(ctx); err != nil {
		return err
	}
	wanted := len(task.Cluster.Addresses["worker"])
	if task.Cluster.Task > 0 {
		wanted++
	}
	for task.Source.Strategy == model.ParameterServer {
		n, err := graph.Finished(ctx)
		if err != nil {
			return err
		}
		if n >= wanted {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if task.Save != "" {
		if err := graph.Save(ctx, task.Save); err != nil {
			return err
		}
	}
	var err error
	if result.Final, err = graph.GlobalStep(ctx); err == nil && task.Cluster.Task == 0 {
		err = graph.Finish(ctx)
	}
	return err
}

// runCluster runs a cluster of processes, and returns the results of its workers. jobs
// has the tasks of each job; their Source and Batches are those of the graph.
func runCluster(t *testing.T, name string, strategy model.Strategy, jobs map[string][]memberTask) []memberResult {
	t.Helper()
	addresses := map[string][]string{}
	for job, tasks := range jobs {
		addresses[job] = freeAddresses(t, len(tasks))
	}
	folder := t.TempDir()
	var workers []*exec.Cmd
	for _, job := range []string{"ps", "worker"} {
		for i, task := range jobs[job] {
			task.Source = model.TrainingSource{Graph: graphFile(t, name), Train: "train", Strategy: strategy}
			if task.Evaluate {
				task.Source.Eval = "evaluate"
			}
			task.Cluster = engine.Cluster{Addresses: addresses, Job: job, Task: i, Protocol: "grpc", Threads: 1}
			task.Batches = filepath.Join(graphs.folder(t), name+".arrow")
			task.Out = filepath.Join(folder, fmt.Sprintf("%s%d", job, i))
			cmd := startMember(t, task)
			if job == "worker" {
				workers = append(workers, cmd)
			}
		}
	}
	var results []memberResult
	for i, cmd := range workers {
		out := filepath.Join(folder, fmt.Sprintf("worker%d", i))
		err := cmd.Wait()
		raw, missing := os.ReadFile(out)
		var result memberResult
		if err := errors.Join(err, missing); err != nil {
			log, _ := os.ReadFile(out + ".log")
			t.Fatalf("worker %d: %v\n%s", i, err, log)
		}
		if err := json.Unmarshal(raw, &result); err != nil {
			t.Fatal(err)
		}
		results = append(results, result)
	}
	return results
}

// memberTimeout limits a member's life, which takes 2 s to 10 s on an idle machine.
const memberTimeout = 3 * time.Minute

// startMember starts a member. It is killed at the end of the test.
func startMember(t *testing.T, task memberTask) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(task.Out + ".log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	ctx, cancel := context.WithTimeout(t.Context(), memberTimeout) // TensorFlow waits for servers without a limit
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), memberVariable+"="+string(text), "TF_CPP_MIN_LOG_LEVEL=2")
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, task.Folder
	if _, err := cmd.StdinPipe(); err != nil { // stays open until Wait
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
	})
	return cmd
}

// freeAddresses returns addresses at which nobody listens. They are held until the end of
// the test by sockets that are bound and do not listen: TensorFlow can bind them too.
func freeAddresses(t *testing.T, n int) []string {
	t.Helper()
	var found []string
	for range n {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = syscall.Close(fd) })
		err = errors.Join(syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1), syscall.Bind(fd, &syscall.SockaddrInet4{}))
		name, other := syscall.Getsockname(fd)
		if err := errors.Join(err, other); err != nil {
			t.Fatal(err)
		}
		found = append(found, fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port))
	}
	return found
}

// Two workers that average their gradients are one worker with the combined batch.
func TestAllReduceIsOneWorkerOnTheWholeBatch(t *testing.T) {
	needTensorFlow(t)
	want := expected(t, "shared")
	for i, have := range runCluster(t, "shared", model.AllReduce, map[string][]memberTask{"worker": {{Rows: 8}, {First: 8, Rows: 8}}}) {
		near(t, fmt.Sprintf("worker %d", i), have.Losses, want.Losses, 2e-4)
		if !slices.Equal(have.Counts, want.Steps) {
			t.Errorf("worker %d: counts %v", i, have.Counts)
		}
	}
}

// A worker with two parameter servers computes what one member does. Each server writes
// its part of a checkpoint. Python reads the checkpoint, and one member goes on from it.
func TestWorkerWithParameterServersIsOneMember(t *testing.T) {
	needTensorFlow(t)
	folder, saved, half := t.TempDir(), map[string]string{}, 10
	for name, key := range map[string]string{"wide": "users/embeddings/.ATTRIBUTES/VARIABLE_VALUE", "ref": "net/weight"} {
		t.Run(name, func(t *testing.T) {
			want, prefix := expected(t, name), filepath.Join(folder, name, "ckpt")
			if err := os.Mkdir(filepath.Dir(prefix), 0o755); err != nil {
				t.Fatal(err)
			}
			have := runCluster(t, name, model.ParameterServer, map[string][]memberTask{"ps": {{}, {}}, "worker": {{To: half, Save: prefix}}})[0]
			if len(have.Warnings) > 0 { // the servers write their variables
				t.Errorf("warnings %q", have.Warnings)
			}
			near(t, "loss", have.Losses, want.Losses[:half], 1e-5)
			if !slices.Equal(have.Counts, want.Steps[:half]) {
				t.Errorf("counts %v", have.Counts)
			}
			filesAre(t, filepath.Dir(prefix), "ckpt.data-00000-of-00002", "ckpt.data-00001-of-00002", "ckpt.index")
			alone := training(t, model.TrainingSource{Graph: graphFile(t, name)}, engine.TrainingOptions{})
			if err := alone.Restore(t.Context(), prefix); err != nil {
				t.Fatal(err)
			}
			losses, counts := steps(t, alone, batches(t, name)[half:])
			near(t, "loss after it", losses, want.Losses[half:], 1e-5)
			if !slices.Equal(counts, want.Steps[half:]) {
				t.Errorf("counts after it %v", counts)
			}
			saved[prefix] = key
		})
	}
	checkpointsHave(t, saved)
}

// The rows of a large embedding, and of its slot variables, are divided over parameter
// servers. They compute what one member does, whichever operations the optimizer has. A
// checkpoint has one value, which one member, one server and several go on from.
func TestLargeVariablesAreDividedOverServers(t *testing.T) {
	needTensorFlow(t)
	folder, saved, half := t.TempDir(), map[string]string{}, 10
	for _, name := range []string{"table_sgd", "table_adagrad", "table_adam"} {
		t.Run(name, func(t *testing.T) {
			want, prefix := expected(t, name), filepath.Join(folder, name, "ckpt")
			if err := os.Mkdir(filepath.Dir(prefix), 0o755); err != nil {
				t.Fatal(err)
			}
			worker := memberTask{To: half, Save: prefix, Evaluate: true}
			have := runCluster(t, name, model.ParameterServer, map[string][]memberTask{"ps": {{}, {}}, "worker": {worker}})[0]
			near(t, "loss", have.Losses, want.Losses[:half], 1e-5)
			if !slices.Equal(have.Divided, []string{"users/embeddings"}) {
				t.Errorf("divided: %v", have.Divided)
			}
			inHalves(t, prefix)
			alone := training(t, model.TrainingSource{Graph: graphFile(t, name), Eval: "evaluate"}, engine.TrainingOptions{})
			if err := alone.Restore(t.Context(), prefix); err != nil {
				t.Fatal(err)
			}
			values, err := alone.Evaluate(t.Context(), batches(t, name)[0])
			if err != nil {
				t.Fatal(err)
			}
			near(t, "evaluation", have.Evaluated, values, 1e-5)
			losses, _ := steps(t, alone, batches(t, name)[half:])
			near(t, "loss of one member after it", losses, want.Losses[half:], 1e-5)
			saved[prefix] = "users/embeddings/.ATTRIBUTES/VARIABLE_VALUE"
		})
	}
	checkpointsHave(t, saved)
	name := "table_adam"
	for servers := 1; servers <= 2; servers++ {
		worker := memberTask{From: half, Restore: filepath.Join(folder, name, "ckpt")}
		have := runCluster(t, name, model.ParameterServer, map[string][]memberTask{"ps": make([]memberTask, servers), "worker": {worker}})[0]
		near(t, fmt.Sprintf("loss with %d servers after it", servers), have.Losses, expected(t, name).Losses[half:], 1e-5)
	}
}

// inHalves fails the test unless two servers have written half of a checkpoint each.
func inHalves(t *testing.T, prefix string) {
	t.Helper()
	var sizes []int64
	for i := range 2 {
		info, err := os.Stat(fmt.Sprintf("%s.data-%05d-of-00002", prefix, i))
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, info.Size())
	}
	if math.Abs(float64(sizes[0]-sizes[1])) > 0.02*float64(sizes[0]) {
		t.Errorf("bytes %v", sizes)
	}
}

// filesAre compares the names in a folder.
func filesAre(t *testing.T, folder string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	var have []string
	for _, e := range entries {
		have = append(have, e.Name())
	}
	if err != nil || !slices.Equal(have, want) {
		t.Errorf("%s has %v, want %v; %v", folder, have, want, err)
	}
}

// A parameter server may be on another machine, which does not share the folder of
// checkpoints. A path stands for that which is relative to another folder. The server may
// even have a checkpoint of that name: of another training.
func TestParameterServersThatDoNotSeeTheCheckpoint(t *testing.T) {
	needTensorFlow(t)
	want, half := expected(t, "mlp"), 10
	folder, elsewhere := t.TempDir(), t.TempDir()
	first := begun(t, "mlp")
	if err := first.Save(t.Context(), filepath.Join(elsewhere, "ckpt")); err != nil {
		t.Fatal(err)
	}
	steps(t, first, batches(t, "mlp")[:half])
	if err := first.Save(t.Context(), filepath.Join(folder, "ckpt")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(folder, "new"), 0o755); err != nil {
		t.Fatal(err)
	}
	worker := memberTask{From: half, Restore: "ckpt", Save: "new/ckpt", Folder: folder}
	have := runCluster(t, "mlp", model.ParameterServer, map[string][]memberTask{"ps": {{Folder: folder}, {Folder: elsewhere}}, "worker": {worker}})[0]
	near(t, "loss", have.Losses, want.Losses[half:], 1e-5)
	if !slices.Equal(have.Counts, want.Steps[half:]) {
		t.Errorf("counts %v", have.Counts)
	}
	if len(have.Warnings) != 1 || !strings.Contains(have.Warnings[0], "fetches all variables") {
		t.Errorf("warnings %q", have.Warnings)
	}
	filesAre(t, elsewhere, "ckpt.data-00000-of-00001", "ckpt.index")
	checkpointsHave(t, map[string]string{filepath.Join(folder, "new/ckpt"): "logits/kernel/.ATTRIBUTES/VARIABLE_VALUE"})
	if _, err := os.Stat(filepath.Join(folder, "new/ckpt.data-00000-of-00001")); err != nil {
		t.Error(err)
	}
}

// Two workers train through a parameter server, each at its own pace. No update is lost
// from the count, whoever counts.
func TestParameterServerCountsAllUpdates(t *testing.T) {
	needTensorFlow(t)
	for _, name := range []string{"mlp", "line", "keras", "uncounted"} {
		t.Run(name, func(t *testing.T) {
			results := runCluster(t, name, model.ParameterServer, map[string][]memberTask{"ps": {{}}, "worker": {{}, {}}})
			total := int64(0)
			for i, have := range results {
				total += int64(len(have.Counts))
				if len(have.Counts) == 0 || !slices.IsSorted(have.Counts) {
					t.Errorf("worker %d: counts %v", i, have.Counts)
				}
			}
			if results[0].Final != total {
				t.Errorf("%d updates, want %d", results[0].Final, total)
			}
		})
	}
}

// A graph that its author has split over two workers computes what it does unsplit. The
// other worker is there as long as the chief needs its part, also for the checkpoint. The
// chief starts last: the other worker has then looked for its server in vain, and
// TensorFlow tries again only after a second.
func TestSplitGraphComputesOnTheAuthorsDevices(t *testing.T) {
	needTensorFlow(t)
	want, prefix := expected(t, "split"), filepath.Join(t.TempDir(), "ckpt")
	have := runCluster(t, "split", model.ParameterServer, map[string][]memberTask{"ps": {{}}, "worker": {{Save: prefix, Late: 400 * time.Millisecond}, {Idle: true}}})
	near(t, "loss", have[0].Losses, want.Losses, 1e-5)
	checkpointsHave(t, map[string]string{prefix: "first/.ATTRIBUTES/VARIABLE_VALUE"})

	read, err := (model.TrainingSource{Graph: graphFile(t, "split"), Train: "train", Strategy: model.Independent}).Open()
	if err != nil {
		t.Fatal(err)
	}
	_, err = engine.OpenTraining(t.Context(), read, engine.TrainingOptions{})
	var refused *model.ModelError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "on device /job:worker/task:1") || !strings.Contains(err.Error(), "the cluster is one member") {
		t.Error(err)
	}
}

// A protocol that the library lacks is named.
func TestUnknownProtocol(t *testing.T) {
	_, err := engine.StartServer(engine.Cluster{Addresses: map[string][]string{"worker": freeAddresses(t, 1)}, Job: "worker", Protocol: "grpc+verbs"})
	var refused *engine.ProtocolError
	if !errors.As(err, &refused) || refused.Protocol != "grpc+verbs" || !strings.Contains(err.Error(), "this build of TensorFlow "+engine.Version()+" lacks it") {
		t.Error(err)
	}
}
