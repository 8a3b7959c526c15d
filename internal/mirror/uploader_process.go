package mirror

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"tfos/internal/descriptors"
	"tfos/internal/store"
)

// Files are uploaded by a process of its own, whose priority is the lowest: a program that
// trains has the CPUs first. The two processes have a Unix socket that keeps messages
// apart (SOCK_SEQPACKET). The member sends orders, the first with the open file
// (SCM_RIGHTS): its bytes stay while the program deletes or replaces it. The other process
// answers each order. It ends when the socket does.

// order is one message to the process.
type order struct {
	ID   int    `json:"id"` // of the file, chosen by the member
	Do   action `json:"do"`
	URL  string `json:"url,omitempty"`  // of an upload, with its file
	Size int64  `json:"size,omitempty"` // of an upload
}

// action is what an order has done.
type action string

const (
	doUpload action = "upload"
	doCommit action = "commit" // or doAbort: the last order of a file that was uploaded
	doAbort  action = "abort"
	doCancel action = "cancel" // ends what is being done for the file. It has no answer
)

// answer is one message of the process.
type answer struct {
	ID    int    `json:"id"`
	Moved int    `json:"moved,omitempty"` // bytes; the order is not done yet
	Short bool   `json:"short,omitempty"` // ErrShort
	Error string `json:"error,omitempty"`
}

// err is the error of an order that is done.
func (a answer) err() error {
	switch {
	case a.Short:
		return ErrShort
	case a.Error != "":
		return errors.New(a.Error)
	}
	return nil
}

// longestMessage bounds a message. An error that is longer is cut.
const longestMessage = 64 << 10

// UploadProcess is an Uploader: the process at the other end of a socket. It may be used
// concurrently.
type UploadProcess struct {
	conn   *net.UnixConn
	ended  chan struct{} // closed when there is no process any more
	reader chan struct{} // closed when no answer is read any more
	end    func()        // closes ended and conn

	mu      sync.Mutex
	last    int
	waiting map[int]chan answer // by file
}

// errNoProcess says that the process has ended.
var errNoProcess = errors.New("the process that uploads has ended")

// SocketPair returns the two ends of a socket for UploadProcess and ServeUploads.
func SocketPair() (here, there *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("mirror: make a socket: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "uploads"), os.NewFile(uintptr(fds[1]), "uploads"), nil
}

// connOf returns the connection of a socket, and closes the file.
func connOf(socket *os.File) (*net.UnixConn, error) {
	conn, err := net.FileConn(socket)
	if err = errors.Join(err, socket.Close()); err != nil {
		return nil, fmt.Errorf("mirror: open a socket: %w", err)
	}
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(errors.New("mirror: open a socket: it is no Unix socket"), conn.Close())
	}
	return unixConn, nil
}

// NewUploadProcess returns the process at the other end of socket, which it closes. The
// caller calls Close.
func NewUploadProcess(socket *os.File) (*UploadProcess, error) {
	conn, err := connOf(socket)
	if err != nil {
		return nil, err
	}
	p := &UploadProcess{conn: conn, ended: make(chan struct{}), reader: make(chan struct{}), waiting: map[int]chan answer{}}
	p.end = sync.OnceFunc(func() {
		close(p.ended)
		_ = conn.Close() // nobody is at its other end, or will be
	})
	go p.read()
	return p, nil
}

// Close ends the process. Uploads that are not done fail.
func (p *UploadProcess) Close() {
	p.end()
	<-p.reader
}

// Ended reports whether the process has ended.
func (p *UploadProcess) Ended() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// read hands answers on until the socket ends. A file that has been sent an order takes
// answers until that is done.
func (p *UploadProcess) read() {
	defer close(p.reader)
	defer p.end()
	buffer := make([]byte, longestMessage)
	for {
		n, err := p.conn.Read(buffer)
		var a answer
		if err != nil || n == 0 || json.Unmarshal(buffer[:n], &a) != nil {
			return
		}
		p.mu.Lock()
		answers := p.waiting[a.ID]
		p.mu.Unlock()
		if answers == nil {
			continue // nobody waits for it
		}
		select {
		case answers <- a:
		case <-p.ended:
			return
		}
	}
}

// Upload implements Uploader.
func (p *UploadProcess) Upload(ctx context.Context, url string, file *os.File, size int64, moved func(bytes int)) (Staged, error) {
	p.mu.Lock()
	p.last++
	f := &processFile{p: p, ctx: ctx, id: p.last, moved: moved, answers: make(chan answer)}
	p.waiting[f.id] = f.answers
	p.mu.Unlock()
	if err := f.do(order{Do: doUpload, URL: url, Size: size}, file); err != nil {
		f.forget()
		return nil, err
	}
	if ctx.Err() != nil { // the process was faster than the order to end it
		return nil, errors.Join(context.Cause(ctx), f.Abort())
	}
	return f, nil
}

// processFile is a file that a process uploads. Its methods are for one goroutine.
type processFile struct {
	p       *UploadProcess
	ctx     context.Context // of Upload
	id      int
	moved   func(bytes int)
	answers chan answer
	done    bool // the last order was sent
}

// Commit implements Staged.
func (f *processFile) Commit() error { return f.finish(doCommit) }

// Abort implements Staged. It also works after the context has ended. If the process has
// ended, the store may have something that Sweep deletes.
func (f *processFile) Abort() error {
	if f.done || f.p.Ended() {
		return nil
	}
	f.ctx = context.WithoutCancel(f.ctx)
	return f.finish(doAbort)
}

func (f *processFile) finish(last action) error {
	f.done = true
	defer f.forget()
	return f.do(order{Do: last}, nil)
}

func (f *processFile) forget() {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	delete(f.p.waiting, f.id)
}

// cancelPatience is how long a process may take to end what was cancelled. A store may
// take half of it to answer.
const cancelPatience = time.Minute

// do sends an order and waits until it is done. When the context ends, so does what is
// being done.
func (f *processFile) do(o order, file *os.File) error {
	o.ID = f.id
	if err := f.p.send(o, file); err != nil {
		return err
	}
	cancelled := f.ctx.Done()
	var late <-chan time.Time
	for {
		select {
		case a := <-f.answers:
			if a.Moved > 0 {
				f.moved(a.Moved)
				continue
			}
			err := a.err()
			if err != nil && f.ctx.Err() != nil {
				err = context.Cause(f.ctx)
			}
			return err
		case <-f.p.ended:
			return errNoProcess
		case <-cancelled:
			cancelled, late = nil, time.After(cancelPatience)
			if err := f.p.send(order{ID: f.id, Do: doCancel}, nil); err != nil {
				return err
			}
		case <-late: // what it still does must not meet what this process does
			f.p.end()
			return context.Cause(f.ctx)
		}
	}
}

// send sends one order. file, if not nil, goes with it.
func (p *UploadProcess) send(o order, file *os.File) error {
	text, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("mirror: write an order: %w", err)
	}
	var rights []byte
	if file != nil {
		rights = unix.UnixRights(int(file.Fd()))
	}
	if _, _, err := p.conn.WriteMsgUnix(text, rights, nil); err != nil {
		p.end()
		return errNoProcess
	}
	return nil
}

// ServeUploads is the whole of the process: it does the orders of socket until that ends.
// It does not wait for what is being done then, because nobody wants it any more: the
// caller ends the process.
func ServeUploads(ctx context.Context, socket *os.File) error {
	conn, err := connOf(socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	s := &uploadServer{conn: conn, files: map[int]servedFile{}}
	buffer := make([]byte, longestMessage)
	for {
		n, files, err := descriptors.Read(conn, buffer, 1, "upload")
		if err != nil {
			return nil // the member has ended
		}
		var o order
		if err := json.Unmarshal(buffer[:n], &o); err != nil {
			return fmt.Errorf("mirror: read an order: %w", err)
		}
		var file *os.File
		if len(files) > 0 {
			file = files[0]
		}
		s.do(ctx, o, file)
	}
}

// uploadServer does orders.
type uploadServer struct {
	conn  *net.UnixConn
	mu    sync.Mutex
	files map[int]servedFile
}

// servedFile is a file that is being uploaded.
type servedFile struct {
	cancel context.CancelFunc
	last   chan action // takes one: doCommit or doAbort
}

// do has an order done. A file has a goroutine until its last order is done.
func (s *uploadServer) do(ctx context.Context, o order, file *os.File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, known := s.files[o.ID]
	switch {
	case o.Do == doUpload:
		ctx, cancel := context.WithCancel(ctx)
		f = servedFile{cancel, make(chan action, 1)}
		s.files[o.ID] = f
		go s.serve(ctx, o, file, f)
	case !known: // a cancel has met the last answer
	case o.Do == doCancel:
		f.cancel()
	default:
		f.last <- o.Do
	}
}

// serve uploads a file, and does its last order.
func (s *uploadServer) serve(ctx context.Context, o order, file *os.File, f servedFile) {
	defer f.cancel()
	staged, err := s.upload(ctx, o, file)
	if err == nil {
		s.answer(o.ID, nil)
		if <-f.last == doCommit {
			err = staged.Commit()
		} else {
			err = staged.Abort()
		}
	}
	s.mu.Lock()
	delete(s.files, o.ID)
	s.mu.Unlock()
	s.answer(o.ID, err)
}

func (s *uploadServer) upload(ctx context.Context, o order, file *os.File) (Staged, error) {
	defer file.Close()
	to, err := store.For(o.URL)
	if err != nil {
		return nil, err
	}
	return Direct{to}.Upload(ctx, o.URL, file, o.Size, func(n int) { s.send(answer{ID: o.ID, Moved: n}) })
}

// answer says that an order is done.
func (s *uploadServer) answer(id int, err error) {
	a := answer{ID: id, Short: errors.Is(err, ErrShort)}
	if err != nil {
		a.Error = err.Error()
		a.Error = a.Error[:min(len(a.Error), longestMessage/8)]
	}
	s.send(a)
}

// send sends one answer. If nobody reads it, the member has ended.
func (s *uploadServer) send(a answer) {
	if text, err := json.Marshal(a); err == nil {
		_, _ = s.conn.Write(text)
	}
}
