package node

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tfos/internal/feed"
	"tfos/internal/reserve"
	"tfos/internal/work"
)

// TestMain lets the test binary play every process of a member. Its first argument says
// which.
func TestMain(m *testing.M) {
	role := ""
	if len(os.Args) > 1 {
		role = os.Args[1]
	}
	switch role {
	case "guard":
		os.Exit(actGuard())
	case "upload":
		if err := Upload(context.Background(), os.Stdin, os.NewFile(3, "orders")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	case "run":
		if text := os.Getenv("TFOS_TEST_MIRROR_PATIENCE"); text != "" {
			mirrorPatience, _ = time.ParseDuration(text)
		}
		os.Exit(actRun())
	case "reserve":
		os.Exit(actReserve())
	case "executor":
		os.Exit(actExecutor())
	case "-m": // as Python is called: -m tfos.program, -m tfos.gpus
		if len(os.Args) > 2 && os.Args[2] == "tfos.gpus" {
			os.Exit(actProof())
		}
		os.Exit(actChild(os.Getenv("TFOS_TEST_CHILD")))
	case "daemon":
		os.Exit(actDaemon())
	}
	os.Exit(m.Run())
}

func testLog() *slog.Logger { return slog.New(slog.NewTextHandler(os.Stderr, nil)) }

func actGuard() int {
	stdio := GuardIO{Orders: os.Stdin, Events: os.NewFile(3, "events"), Stdout: os.Stdout, Stderr: os.Stderr}
	if err := Guard(context.Background(), stdio, testLog()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func actRun() int {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
	defer stop()
	grace, err := time.ParseDuration(os.Getenv("TFOS_TEST_GRACE"))
	if err != nil {
		panic(err)
	}
	return Run(ctx, Options{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Grace: grace, Log: testLog()})
}

// actReserve plays the driver's reservation server.
func actReserve() int {
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE)
	if err := reserve.Serve(context.Background(), os.Stdin, os.Stdout, work.Open, testLog()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// actExecutor plays the executor's JVM: it starts a member, sends it the assignment,
// reads its output, prints its pid and exit status, and does not end.
func actExecutor() int {
	line, err := io.ReadAll(os.Stdin)
	if err != nil {
		panic(err)
	}
	self, _ := os.Executable()
	cmd := exec.Command(self, "run")
	cmd.Stdin = strings.NewReader(string(line))
	talk, err := cmd.StderrPipe() // breaks with the executor, as Spark's does
	if err != nil {
		panic(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		panic(err)
	}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	go func() { _, _ = io.Copy(os.Stderr, talk) }()
	fmt.Println("pid", cmd.Process.Pid)
	summary, _ := io.ReadAll(out)
	_ = cmd.Wait()
	fmt.Println("status", cmd.ProcessState.ExitCode(), strings.TrimSpace(string(summary)))
	select {}
}

// actDaemon starts a process in another session and ends, as a daemon does.
func actDaemon() int {
	cmd := exec.Command("sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	return 0
}

// actChild plays a member's program. Its argument says what the program does.
func actChild(mode string) int {
	switch mode {
	case "ok":
		fmt.Println("on stdout")
		fmt.Fprintln(os.Stderr, "on stderr")
		return succeed()
	case "exit3":
		for i := range 10_000 { // more than a pipe holds, less than two
			fmt.Fprintln(os.Stderr, "line", i)
		}
		fmt.Fprintln(os.Stderr, "last words")
		return 3
	case "raise":
		return childRaises()
	case "hangs": // its program has failed, its process does not end
		childRaises()
		time.Sleep(time.Hour)
	case "sleep":
		announce("sleeping")
		time.Sleep(time.Hour)
	case "quiet": // at work, without a word
		announce("computing")
		for {
			childrenOfChild()
		}
	case "binds":
		return childBinds()
	case "burn":
		for began := time.Now(); time.Since(began) < 200*time.Millisecond; {
		}
		return 0
	case "stubborn":
		signal.Ignore(unix.SIGTERM, unix.SIGINT)
		announce("sleeping")
		time.Sleep(time.Hour)
	case "polite":
		terminated := make(chan os.Signal, 1)
		signal.Notify(terminated, unix.SIGTERM)
		announce("sleeping")
		<-terminated
		fmt.Println("terminated")
		return 7
	case "family", "leaver":
		startFamily()
		announce("sleeping")
		if mode == "leaver" {
			return 0
		}
		time.Sleep(time.Hour)
	case "descriptors":
		return childDescriptors()
	case "read":
		return childReads()
	case "trains", "trains-some":
		return childTrains(mode)
	case "answers":
		return childAnswers(300 * time.Millisecond)
	case "writes", "writes-fails", "writes-sleeps":
		return childWrites(mode)
	case "waits":
		for !exists("go") {
			time.Sleep(10 * time.Millisecond)
		}
		return succeed()
	case "evaluates":
		return childEvaluates()
	case "saves", "saves-sleeps", "saves-nowhere", "saves-nowhere-sleeps", "follows":
		return childSaves(mode)
	case "exports", "exports-fails", "exports-sleeps", "exports-nowhere":
		return childExports(mode)
	case "env":
		env, _ := json.Marshal(os.Environ())
		if err := os.WriteFile("child.env", env, 0o600); err != nil {
			panic(err)
		}
		return succeed()
	}
	panic("unknown mode " + mode)
}

// childBinds binds its port of the cluster without SO_REUSEADDR.
func childBinds() int {
	var config struct {
		Cluster map[string][]string
		Task    struct{ Index int }
	}
	if err := json.Unmarshal([]byte(os.Getenv("TF_CONFIG")), &config); err != nil {
		panic(err)
	}
	_, text, err := net.SplitHostPort(config.Cluster["worker"][config.Task.Index])
	if err != nil {
		panic(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	if err := bindPlainly(unix.AF_INET, port); err != nil {
		fmt.Fprintln(os.Stderr, "bind:", err)
		return 1
	}
	return succeed()
}

// childWrites writes into its working directory, waits until the other worker has
// done so too, and ends as mode says.
func childWrites(mode string) int {
	var config struct{ Task struct{ Index int } }
	if err := json.Unmarshal([]byte(os.Getenv("TF_CONFIG")), &config); err != nil {
		panic(err)
	}
	announce("running")
	index := config.Task.Index
	text := bytes.Repeat([]byte{byte('0' + index)}, 300_000)
	if os.MkdirAll("logs/deep", 0o755) != nil || os.WriteFile("logs/deep/events", text, 0o600) != nil || os.WriteFile("other", []byte("unasked"), 0o600) != nil {
		return 9
	}
	for !exists(fmt.Sprintf("../tfos-worker-%d/other", 1-index)) {
		time.Sleep(10 * time.Millisecond)
	}
	switch mode {
	case "writes-fails":
		return 3
	case "writes-sleeps":
		time.Sleep(time.Hour)
	}
	return 0
}

// childrenOfChild runs a process that computes for 0.2 s and ends.
func childrenOfChild() {
	cmd := exec.Command("/proc/self/exe", "-m")
	cmd.Env = append(os.Environ(), "TFOS_TEST_CHILD=burn")
	if err := cmd.Run(); err != nil {
		panic(err)
	}
}

func boolStatus(ok bool) int {
	if ok {
		return 0
	}
	return 1
}

// succeed attaches to the member and ends with exit status 0. Without attaching, exit
// status 0 is no success.
func succeed() int {
	if socket := os.Getenv("TFOS_SOCKET"); socket != "" {
		attach(socket)
	}
	return 0
}

// announce tells the member, and so the test, which phase the child has reached. A child
// without a member prints it.
func announce(phase string) {
	socket := os.Getenv("TFOS_SOCKET")
	if socket == "" {
		fmt.Println(phase)
		return
	}
	if err := attach(socket).Phase(phase); err != nil {
		panic(err)
	}
}

func attach(socket string) *feed.Child {
	child, err := feed.Attach(context.Background(), socket)
	if err != nil {
		panic(err)
	}
	return child
}

// childEvaluates reports the address of its TensorBoard and runs until training has
// ended.
func childEvaluates() int {
	conn, err := net.Dial("unix", os.Getenv("TFOS_SOCKET"))
	for _, said := range []struct {
		typ   byte
		value any
	}{
		{feed.TypeAttach, feed.AttachRequest{PID: os.Getpid(), Version: feed.Version}},
		{feed.TypeNote, feed.Note{Kind: feed.NoteTensorBoard, Text: "http://h:6006/"}},
		{feed.TypeNote, feed.Note{Kind: feed.NoteWarning, Text: "two\nlines"}},
		{feed.TypePhase, feed.PhaseReport{Phase: "evaluating"}},
	} {
		if err == nil {
			err = feed.WriteJSON(conn, said.typ, said.value)
		}
	}
	var context feed.ProgramContext
	if err == nil {
		err = feed.ReadJSON(conn, feed.TypeContext, &context)
	}
	if err == nil {
		err = feed.ReadJSON(conn, feed.TypeTrainingEnded, &struct{}{})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return boolStatus(err == nil && os.WriteFile("heard", nil, 0o600) == nil)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func childRaises() int {
	child := attach(os.Getenv("TFOS_SOCKET"))
	fmt.Fprintln(os.Stderr, "Traceback (most recent call last):\nValueError: bad shape")
	if err := child.Failed("running", "ValueError: bad\nshape", 6); err != nil {
		panic(err)
	}
	return 1
}

// startFamily leaves a child, and an orphan in a session of its own.
func startFamily() {
	if err := exec.Command("sleep", "1000").Start(); err != nil {
		panic(err)
	}
	self, _ := os.Executable()
	if err := exec.Command(self, "daemon").Run(); err != nil {
		panic(err)
	}
}

// childDescriptors fails when it inherited more than the three descriptors.
func childDescriptors() int {
	known := append(strings.Split(os.Getenv("TFOS_TEST_OPEN"), ","), "0", "1", "2")
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		to, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err != nil {
			continue // of the reading itself
		}
		n := e.Name()
		if !slices.Contains(known, n) && (strings.HasPrefix(to, "pipe:") || strings.HasPrefix(to, "socket:")) {
			fmt.Println("inherited", n, to)
			return 1
		}
	}
	if to, _ := os.Readlink("/proc/self/fd/0"); to != os.DevNull {
		fmt.Println("stdin is", to)
		return 1
	}
	return succeed()
}

// childReads listens on its own address of TF_CONFIG, as TensorFlow's server
// does, reads the feed to its end, and fails when a row is missing.
func childReads() int {
	var config struct {
		Cluster map[string][]string
		Task    struct {
			Type  string
			Index int
		}
	}
	if err := json.Unmarshal([]byte(os.Getenv("TF_CONFIG")), &config); err != nil {
		panic(err)
	}
	l, err := net.Listen("tcp", config.Cluster[config.Task.Type][config.Task.Index])
	if err != nil {
		panic(err)
	}
	defer func() { _ = l.Close() }()
	control := attach(os.Getenv("TFOS_SOCKET"))
	if err := control.Phase("running"); err != nil {
		panic(err)
	}
	rows, err := readFeed(os.Getenv("TFOS_SOCKET"), "train")
	if err != nil {
		panic(err)
	}
	fmt.Println("rows", rows)
	if err := control.Result(map[string]int{"rows": rows}); err != nil {
		panic(err)
	}
	return 0
}

// readFeed reads all rows of a feed, as scripts/tfos/connection.py does, and reports them
// as trained. It returns their number.
func readFeed(socket, name string) (rows int, err error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	var context feed.ProgramContext
	err = errors.Join(
		feed.WriteJSON(conn, feed.TypeAttach, feed.AttachRequest{PID: os.Getpid(), Version: feed.Version}),
		feed.ReadJSON(conn, feed.TypeContext, &context),
		feed.WriteJSON(conn, feed.TypeNext, feed.NextChunks{Feed: name, Chunks: 2}))
	for err == nil {
		var typ byte
		var payload []byte
		if typ, payload, err = feed.ReadFrame(conn); err != nil {
			break
		}
		switch typ {
		case feed.TypeSchema:
		case feed.TypeEpochEnd:
			var end feed.EpochEnd
			if err = json.Unmarshal(payload, &end); err != nil || end.Last {
				return rows, err
			}
		case feed.TypeBatch: // epoch, rows, partition, first row: docs/protocols.md
			rows += int(binary.BigEndian.Uint32(payload[4:]))
			epoch := int(binary.BigEndian.Uint32(payload))
			err = errors.Join(
				feed.WriteJSON(conn, feed.TypeNext, feed.NextChunks{Feed: name, Chunks: 1}),
				feed.WriteJSON(conn, feed.TypeTrained, feed.Trained{Feed: name, Epoch: epoch, Rows: int64(rows)}))
		default:
			err = fmt.Errorf("frame 0x%02x: %w", typ, feed.ErrProtocol)
		}
	}
	return rows, err
}
