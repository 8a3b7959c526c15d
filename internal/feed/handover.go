package feed

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"tfos/internal/descriptors"
)

// A member hands a predict task's connection to its engine. The member reads
// HELLO, as from a feed task, answers WELCOME, and hands the connection over. The
// engine listens in the member's work folder, and reads and writes all later
// frames. A connection within the same kernel is passed as a descriptor
// (unix(7), SCM_RIGHTS), so the member copies no rows. For other connections the
// member ends TLS and copies the bytes.

// PredictSocket is the name of the engine's socket in the member's work folder.
const PredictSocket = "predict.sock"

// Greet reads a predict task's HELLO, within helloTimeout, and not one byte
// more. ErrToken and ErrProtocol say why the caller must close the connection.
// io.EOF means that the task left before its first byte.
func Greet(ctx context.Context, conn net.Conn, token string) (Hello, error) {
	h, err := readHello(ctx, conn, conn)
	if errors.Is(err, io.EOF) {
		return h, io.EOF
	}
	if err != nil {
		return h, fmt.Errorf("feed: read hello: %w", err)
	}
	return h, h.check(token)
}

// check checks a HELLO. It checks the token first, so that a stranger learns
// nothing else.
func (h Hello) check(token string) error {
	if subtle.ConstantTimeCompare([]byte(h.Token), []byte(token)) != 1 {
		return fmt.Errorf("feed: hello: %w", ErrToken)
	}
	if h.Version != Version {
		return fmt.Errorf("feed: hello: version %d in place of %d: %w", h.Version, Version, ErrProtocol)
	}
	if h.Epoch < 0 || h.Epoch > math.MaxInt32 || h.Partition < 0 || h.Partition > math.MaxInt32 {
		return fmt.Errorf("feed: hello: epoch %d, partition %d: %w", h.Epoch, h.Partition, ErrProtocol)
	}
	return nil
}

// HandOver gives a connection whose HELLO was read to the engine that listens
// at socket. It returns when the engine has the connection (same kernel), or
// when the connection has ended (TLS).
func HandOver(ctx context.Context, conn net.Conn, socket string, hello Hello) error {
	hello.Token = "" // the engine does not need it
	line, err := json.Marshal(hello)
	if err != nil {
		return fmt.Errorf("feed: hand over: %w", err)
	}
	var d net.Dialer
	dialled, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return fmt.Errorf("feed: hand over: %w", err)
	}
	engine := dialled.(*net.UnixConn)
	defer engine.Close()
	local, ok := conn.(*net.UnixConn)
	if !ok {
		if err := sendHello(engine, line, nil); err != nil {
			return err
		}
		return relay(ctx, conn, engine)
	}
	file, err := local.File()
	if err != nil {
		return fmt.Errorf("feed: hand over: %w", err)
	}
	defer file.Close()
	return sendHello(engine, line, unix.UnixRights(int(file.Fd())))
}

// sendHello writes one HELLO. rights, if not nil, passes a connection with its
// first byte.
func sendHello(engine *net.UnixConn, line, rights []byte) error {
	frame := append([]byte{0, 0, 0, byte(1 + len(line)), TypeHello}, line...)
	if len(line) > 254 { // only numbers: a few dozen bytes
		return fmt.Errorf("feed: hand over: hello of %d bytes: %w", len(line), ErrProtocol)
	}
	if n, _, err := engine.WriteMsgUnix(frame, rights, nil); err != nil || n != len(frame) {
		return fmt.Errorf("feed: hand over: %d of %d bytes: %w", n, len(frame), errors.Join(err, io.ErrShortWrite))
	}
	return nil
}

// relay copies bytes in both directions until either side ends. It closes both
// connections.
func relay(ctx context.Context, conn net.Conn, engine *net.UnixConn) error {
	hangUp := func() {
		_ = engine.Close()
		_ = conn.Close()
	}
	stop := context.AfterFunc(ctx, hangUp)
	defer stop()
	ended := make(chan error, 2)
	copyBytes := func(to io.Writer, from io.Reader) {
		_, err := io.Copy(to, from)
		ended <- err
	}
	go copyBytes(engine, conn)
	go copyBytes(conn, engine)
	err := <-ended
	hangUp()
	<-ended
	return cause(ctx, err)
}

// TakeOver receives what HandOver sent, on a connection of the engine's
// listener. It returns the predict task's connection, or the connection over
// which the member copies it, and its HELLO.
func TakeOver(conn *net.UnixConn) (net.Conn, Hello, error) {
	if err := conn.SetReadDeadline(time.Now().Add(helloTimeout)); err != nil {
		return nil, Hello{}, errors.Join(fmt.Errorf("feed: take over: %w", err), conn.Close())
	}
	r := &rightsReader{conn: conn}
	defer r.close()
	var hello Hello
	err := ReadJSON(r, TypeHello, &hello)
	if err == nil && r.passed == nil {
		err = conn.SetReadDeadline(time.Time{})
	}
	if err != nil {
		return nil, hello, errors.Join(fmt.Errorf("feed: take over: %w", err), conn.Close())
	}
	if r.passed == nil {
		return conn, hello, nil
	}
	given, err := net.FileConn(r.passed)
	if err = errors.Join(err, conn.Close()); err != nil {
		return nil, hello, fmt.Errorf("feed: take over: %w", err)
	}
	return given, hello, nil
}

// rightsReader reads a Unix socket and keeps the first descriptor that arrives
// with the bytes.
type rightsReader struct {
	conn   *net.UnixConn
	passed *os.File // nil: none has arrived
}

func (r *rightsReader) Read(p []byte) (int, error) {
	n, files, err := descriptors.Read(r.conn, p, 1, "predict task")
	for _, file := range files {
		if r.passed == nil {
			r.passed = file
		} else {
			_ = file.Close()
		}
	}
	return n, err
}

func (r *rightsReader) close() {
	if r.passed != nil {
		_ = r.passed.Close()
	}
}
