package task

import (
	"bufio"
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tfos/internal/feed"
)

// What stands in the place of a length, in what Spark and its Python workers say
// to each other (SpecialLengths of PythonRunner.scala).
const (
	endOfData   = -1
	exception   = -2
	startOfInit = -8
)

// orderMark stands before the order. It is no UTF-8, and so in no text that Spark
// sends before it. scripts/tfos/pipe.py writes it.
const orderMark = "\xfftfos-order\xff"

const (
	// maxHeader bounds what Spark sends before the order: the job's properties,
	// most of it.
	maxHeader = 64 << 20
	// connectionBuffer is for what is small: batches are read past it.
	connectionBuffer = 64 << 10
)

// Worker stands in for Spark's Python workers: Spark starts it, and it tells Spark
// where to connect. PythonWorkerFactory.scala has the other end.
type Worker struct {
	Getenv func(string) string
	Stdin  io.Reader // ends with the executor
	Stdout io.Writer // gets the address at which the daemon listens
	Log    *slog.Logger
}

// Serve runs tasks, each over a connection of its own. As a daemon it serves until
// the executor is gone. Where Spark is set to have no daemon it runs one task.
func (w Worker) Serve(ctx context.Context) error {
	if address := w.Getenv("PYTHON_WORKER_FACTORY_SOCK_PATH"); address != "" {
		return w.serveOne(ctx, "unix", address)
	}
	if port := w.Getenv("PYTHON_WORKER_FACTORY_PORT"); port != "" {
		return w.serveOne(ctx, "tcp", net.JoinHostPort(w.loopback(), port))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	listener, err := w.listen()
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	go func() {
		defer cancel()
		// Spark writes whom it wants killed: it closes their connections too.
		_, _ = io.Copy(io.Discard, w.Stdin)
	}()
	for {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("feed: accept a task: %w", err)
		}
		go w.serveTask(ctx, conn, w.welcome)
	}
}

func (w Worker) loopback() string {
	if w.Getenv("SPARK_PREFER_IPV6") == "" {
		return "127.0.0.1"
	}
	return "::1"
}

// listen opens the daemon's listener, and writes its address to Stdout.
func (w Worker) listen() (net.Listener, error) {
	var listener net.Listener
	var where []byte
	var err error
	if w.Getenv("PYTHON_UNIX_DOMAIN_ENABLED") == "true" {
		path := filepath.Join(w.Getenv("PYTHON_WORKER_FACTORY_SOCK_DIR"), fmt.Sprintf(".tfos-%d.sock", os.Getpid()))
		listener, err = net.Listen("unix", path)
		where = encodeText(path)
	} else if listener, err = net.Listen("tcp", net.JoinHostPort(w.loopback(), "0")); err == nil {
		where = encodeNumber(listener.Addr().(*net.TCPAddr).Port)
	}
	if err != nil {
		return nil, fmt.Errorf("feed: listen for tasks: %w", err)
	}
	if _, err := w.Stdout.Write(where); err != nil {
		_ = listener.Close()
		return nil, fmt.Errorf("feed: say where tasks are taken: %w", err)
	}
	return listener, nil
}

// serveOne connects to Spark and runs one task.
func (w Worker) serveOne(ctx context.Context, network, address string) error {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return fmt.Errorf("feed: connect to Spark: %w", err)
	}
	w.serveTask(ctx, conn, w.introduce)
	return nil
}

// welcome is a daemon's part before a task: Spark says the secret.
func (w Worker) welcome(conn net.Conn, in *bufio.Reader) error {
	if _, err := conn.Write(encodeNumber(os.Getpid())); err != nil {
		return err
	}
	secret := w.Getenv("PYTHON_WORKER_FACTORY_SECRET")
	if secret == "" { // over a Unix socket
		return nil
	}
	secretSent, err := readBytes(in, nil)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(secretSent, []byte(secret)) != 1 {
		_, _ = conn.Write(encodeText("err"))
		return errors.New("who connected does not know Spark's secret")
	}
	_, err = conn.Write(encodeText("ok"))
	return err
}

// introduce is the part before the task of a worker that has connected itself.
func (w Worker) introduce(conn net.Conn, in *bufio.Reader) error {
	if secret := w.Getenv("PYTHON_WORKER_FACTORY_SECRET"); secret != "" {
		if _, err := conn.Write(encodeText(secret)); err != nil {
			return err
		}
		if answer, err := readBytes(in, nil); err != nil {
			return err
		} else if string(answer) != "ok" {
			return fmt.Errorf("the secret was refused: %q", answer)
		}
	}
	_, err := conn.Write(encodeNumber(os.Getpid()))
	return err
}

// serveTask runs the task of a connection, after greet, and answers Spark.
func (w Worker) serveTask(ctx context.Context, conn net.Conn, greet func(net.Conn, *bufio.Reader) error) {
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	in := bufio.NewReaderSize(conn, connectionBuffer)
	if err := greet(conn, in); err != nil {
		w.Log.Error("feed: greet Spark", "error", err)
		return
	}
	go func() {
		defer cancel()
		awaitHangUp(ctx, conn)
	}()
	answer, err := w.runTask(ctx, in)
	if ctx.Err() != nil {
		return // Spark has given the task up
	}
	if err != nil {
		w.Log.Error("feed", "error", err)
		answer = append(encodeNumber(exception), encodeText(err.Error())...)
	}
	if _, err := conn.Write(answer); err != nil {
		w.Log.Error("feed: answer Spark", "error", err)
		return
	}
	// What it still sends is read: a connection that is closed before that takes
	// the answer with it.
	_, _ = io.Copy(io.Discard, in)
}

// runTask feeds the partition that Spark describes and sends. It returns the answer
// to Spark.
func (w Worker) runTask(ctx context.Context, in *bufio.Reader) ([]byte, error) {
	partition, err := readPartition(in)
	if err != nil {
		return nil, fmt.Errorf("feed: read partition: %w", err)
	}
	order, err := readOrder(in)
	if err != nil {
		return nil, err
	}
	result, err := order.feedPartition(ctx, partition, func(c *codec) (source, error) { return &sparkRows{in: in, codec: c}, nil })
	if err != nil {
		return nil, err
	}
	line, err := json.Marshal(result)
	if err != nil {
		return nil, fmt.Errorf("feed: write result: %w", err)
	}
	// The data's end, no accumulators, and not the word at which Spark would keep
	// the connection for another task.
	return bytes.Join([][]byte{encodeText(string(line)), encodeNumber(endOfData), encodeNumber(0), encodeNumber(endOfData)}, nil), nil
}

// readPartition reads which partition it is: what Spark sends first. scripts/tfos/pipe.py
// holds it against the one that Spark returns the result as.
func readPartition(in *bufio.Reader) (int, error) {
	partition, err := readNumber(in)
	if err == nil && partition == startOfInit { // Spark 4.3: and how long all is before the data
		if _, err = readNumber(in); err == nil {
			partition, err = readNumber(in)
		}
	}
	if err == nil && partition < 0 {
		err = fmt.Errorf("this version of Spark sends %d", partition)
	}
	return partition, err
}

// readOrder reads up to the order's end. What stands before it differs from one
// version of Spark to the next, and is not needed.
func readOrder(in *bufio.Reader) (Order, error) {
	var order Order
	for range maxHeader {
		b, err := in.ReadByte()
		if err != nil {
			return order, fmt.Errorf("feed: read order: %w", truncated(err))
		}
		if b != orderMark[0] {
			continue
		}
		if rest, err := in.Peek(len(orderMark) - 1); err != nil || string(rest) != orderMark[1:] {
			continue // where the connection has ended the next byte says so
		}
		_, _ = in.Discard(len(orderMark) - 1)
		text, err := readBytes(in, nil)
		if err == nil {
			err = json.Unmarshal(text, &order)
		}
		if err != nil {
			return order, fmt.Errorf("feed: read order: %w", err)
		}
		return order, nil
	}
	return order, errors.New("feed: read order: Spark sends none")
}

// hangUpInterval is the time between two looks whether the task is still wanted
// otherwise.
const hangUpInterval = 200 * time.Millisecond

// awaitHangUp waits until Spark has closed its end of conn, or ctx is done. It reads
// nothing of conn.
func awaitHangUp(ctx context.Context, conn net.Conn) {
	raw, err := conn.(syscall.Conn).SyscallConn()
	for gone := false; err == nil && !gone && ctx.Err() == nil; {
		err = raw.Control(func(fd uintptr) {
			one := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
			n, err := unix.Poll(one, int(hangUpInterval.Milliseconds()))
			gone = n > 0 || err != nil && !errors.Is(err, unix.EINTR)
		})
	}
}

// sparkRows reads batches from a connection, where the JVM writes them.
type sparkRows struct {
	in      *bufio.Reader
	codec   *codec
	message []byte
}

func (s *sparkRows) next(context.Context) (batch, error) {
	var err error
	if s.message, err = readBytes(s.in, emptyFrame(s.message)); err != nil {
		if errors.Is(err, io.EOF) {
			return batch{}, io.EOF
		}
		return batch{}, fmt.Errorf("feed: read batch: %w", err)
	}
	rows, err := s.codec.rows(s.message[feed.ChunkRoom:])
	return batch{rows: rows, bytes: int64(len(s.message)), message: s.message}, err
}

func (s *sparkRows) returnBuffer(buf []byte) { s.message = buf }

func (s *sparkRows) close() {}

// encodeNumber is a number as Spark reads and writes it.
func encodeNumber(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(int32(n))) }

// encodeText is a text's length and its bytes.
func encodeText(s string) []byte { return append(encodeNumber(len(s)), s...) }

func readNumber(in io.Reader) (int, error) {
	var b [4]byte
	if _, err := io.ReadFull(in, b[:]); err != nil {
		return 0, truncated(err)
	}
	return int(int32(binary.BigEndian.Uint32(b[:]))), nil
}

// readBytes appends bytes that come after their number. io.EOF: the data's end
// stands there instead.
func readBytes(in io.Reader, buf []byte) ([]byte, error) {
	n, err := readNumber(in)
	switch {
	case err != nil:
		return buf, err
	case n == endOfData:
		return buf, io.EOF
	case n < 0:
		return buf, errors.New("no length: " + strconv.Itoa(n))
	}
	start := len(buf)
	buf = growSlice(buf, n)[:start+n]
	_, err = io.ReadFull(in, buf[start:])
	return buf, truncated(err)
}

// truncated is the error of an end that comes too early.
func truncated(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
