package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/colinmarc/hdfs/v2"
	"golang.org/x/sys/unix"
)

// hdfsError is an error of a Hadoop file system.
type hdfsError struct {
	err    error
	reason error  // what the caller may ask for: fs.ErrNotExist, ErrLocked …; or nil
	text   string // what the server said; or ""
	again  bool   // it may pass
}

func (e *hdfsError) Error() string {
	if e.text != "" {
		return e.text
	}
	return e.err.Error()
}

func (e *hdfsError) Unwrap() []error {
	if e.reason != nil {
		return []error{e.err, e.reason}
	}
	return []error{e.err}
}

// Retry implements retryable.
func (e *hdfsError) Retry() (again bool, after time.Duration) { return e.again, 0 }

// exceptions are those of name nodes that mean something to callers, or that pass. Those
// that are not here do not pass.
var exceptions = map[string]hdfsError{
	"java.io.FileNotFoundException":                                       {reason: fs.ErrNotExist},
	"org.apache.hadoop.HadoopIllegalArgumentException":                    {reason: fs.ErrInvalid},
	"org.apache.hadoop.fs.FileAlreadyExistsException":                     {reason: fs.ErrExist},
	"org.apache.hadoop.fs.ParentNotDirectoryException":                    {reason: unix.ENOTDIR},
	"org.apache.hadoop.hdfs.UnknownCryptoProtocolVersionException":        {reason: ErrUnsupported, text: errEncrypted.Error()},
	"org.apache.hadoop.hdfs.protocol.AlreadyBeingCreatedException":        {reason: errBusy},
	"org.apache.hadoop.hdfs.protocol.DSQuotaExceededException":            {reason: unix.EDQUOT},
	"org.apache.hadoop.hdfs.protocol.NSQuotaExceededException":            {reason: unix.EDQUOT},
	"org.apache.hadoop.hdfs.protocol.QuotaByStorageTypeExceededException": {reason: unix.EDQUOT},
	"org.apache.hadoop.hdfs.protocol.RecoveryInProgressException":         {reason: errBusy},
	"org.apache.hadoop.hdfs.protocol.SnapshotAccessControlException":      {reason: fs.ErrPermission},
	"org.apache.hadoop.hdfs.server.namenode.LeaseExpiredException":        {reason: errLeaseLost},
	"org.apache.hadoop.hdfs.server.namenode.NotReplicatedYetException":    {again: true},
	"org.apache.hadoop.hdfs.server.namenode.SafeModeException":            {again: true},
	"org.apache.hadoop.ipc.CallQueueTooBigException":                      {again: true},
	"org.apache.hadoop.ipc.RetriableException":                            {again: true},
	"org.apache.hadoop.ipc.StandbyException":                              {again: true},
	"org.apache.hadoop.security.AccessControlException":                   {reason: fs.ErrPermission},
}

// errEncrypted and errCoded are the errors of files whose bytes the client would read, or
// write, as they are on disks.
var (
	errEncrypted = fmt.Errorf("it is in an encryption zone: %w. Spark can read and write it: read_by: spark", ErrUnsupported)
	errCoded     = fmt.Errorf("it is erasure-coded: %w. Spark can read and write it: read_by: spark", ErrUnsupported)
)

var (
	errBusy      = errors.New("another process writes the file")
	errLeaseLost = errors.New("the name node does not regard the file as being written")
)

// fromHDFS classifies an error of the client. An error that is no answer of a name node is
// one of a connection, and may pass. nil stays nil.
func fromHDFS(err error) error {
	var known retryable
	if err == nil || errors.As(err, &known) {
		return err
	}
	var answer hdfs.Error
	if errors.As(err, &answer) {
		e := exceptions[answer.Exception()]
		if e.err = err; e.text == "" {
			e.text = answered(answer)
		}
		if answer.Exception() == "java.io.IOException" {
			// Too few data nodes are there for a new block, or for the last one.
			e.again = answer.Method() == "addBlock" || answer.Method() == "append"
		}
		return &e
	}
	// The client has its own errors for some exceptions.
	var named *fs.PathError
	if errors.As(err, &named) {
		err = named.Err // the caller's error has the URL
	}
	for _, final := range []error{
		fs.ErrNotExist, fs.ErrExist, fs.ErrPermission, fs.ErrInvalid, fs.ErrClosed, unix.ENOTEMPTY, unix.ENOTDIR, unix.EISDIR,
		context.Canceled, ErrUnsupported,
	} {
		if errors.Is(err, final) {
			return err
		}
	}
	return &hdfsError{err: err, again: true}
}

// answered returns what a name node says, without Java's stack trace.
func answered(e hdfs.Error) string {
	message, _, _ := strings.Cut(e.Message(), "\n")
	name := e.Exception()[strings.LastIndexByte(e.Exception(), '.')+1:]
	if message = strings.TrimSpace(message); message == "" {
		return name
	}
	return name + ": " + message
}

// callConn is a connection whose reads and writes end after a time. The first error
// closes it, so that nobody reads the rest of an answer as the next one.
type callConn struct {
	net.Conn
	limit  time.Duration
	failed func() // called at each error; or nil
	node   error  // wrapped by errors
}

func (c *callConn) Read(p []byte) (int, error) {
	if err := c.Conn.SetReadDeadline(time.Now().Add(c.limit)); err != nil {
		return 0, c.fail(err)
	}
	n, err := c.Conn.Read(p)
	if err != nil {
		err = c.fail(err)
	}
	return n, err
}

func (c *callConn) Write(p []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(c.limit)); err != nil {
		return 0, c.fail(err)
	}
	n, err := c.Conn.Write(p)
	if err != nil {
		err = c.fail(err)
	}
	return n, err
}

func (c *callConn) fail(err error) error {
	if c.failed != nil {
		c.failed()
	}
	_ = c.Conn.Close() // it has failed already
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: %w", c.node, err)
}

// SetDeadline does nothing: the limits hold for each read and write.
func (c *callConn) SetDeadline(time.Time) error { return nil }

var (
	errNameNode = errors.New("connection to the name node")
	errDataNode = errors.New("connection to a data node")
)

// dialNameNode connects to a name node.
func (h *hdfsCluster) dialNameNode(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := h.dial(ctx, network, address)
	if err != nil {
		h.nameNodeFailures.Add(1)
		return nil, err
	}
	return &callConn{Conn: conn, limit: callTime, node: errNameNode, failed: func() { h.nameNodeFailures.Add(1) }}, nil
}

// dialDataNode connects to a data node.
func (h *hdfsCluster) dialDataNode(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := h.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	makeRoom(conn)
	c := &callConn{Conn: conn, limit: stallTime, node: errDataNode}
	return &bufferedConn{Conn: c, buffer: bufio.NewReaderSize(c, packetBuffer)}, nil
}

// receiveRoom is what a socket to a data node can hold from its begin. The kernel would begin
// with 64 KiB, one packet, and on one host it grows slowly: both sides would wait for each other
// at each packet.
const receiveRoom = 1 << 20

// makeRoom enlarges a socket's receive buffer to receiveRoom at least. To raise the low-water
// mark for a moment does so, and the kernel can enlarge the buffer further. SO_RCVBUF would
// forbid that, and has a limit of its own (net.core.rmem_max).
func makeRoom(conn net.Conn) {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { // without room, reading takes longer
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, receiveRoom)
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, 1)
	})
}

// bufferedConn reads the small parts of packets together: of each 64 KiB the client reads
// two lengths, a header and the checksums by themselves. Most of the data goes directly
// into the caller's memory.
type bufferedConn struct {
	net.Conn
	buffer *bufio.Reader
}

const packetBuffer = 16 << 10

func (c *bufferedConn) Read(p []byte) (int, error) { return c.buffer.Read(p) }

// dialTime is the longest wait for a connection.
const dialTime = 10 * time.Second

// descriptorTime is the longest wait for the descriptors of a block. Then its data node is
// asked for the bytes.
const descriptorTime = 5 * time.Second

// openTime is how long the files of a local block stay open after their last use.
const openTime = 10 * time.Second

// stallTime is the longest wait for the next bytes of a data node. Then the read or write
// goes on through a new connection.
const stallTime = 30 * time.Second
