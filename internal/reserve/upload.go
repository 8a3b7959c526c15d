package reserve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"tfos/internal/exit"
	pb "tfos/internal/reserve/reservepb"
	"tfos/internal/store"
)

// Members upload the files that the job wants of their programs' working directories
// into one folder near the driver. Spark deletes executors' folders with the run, and
// executors need no shared file system.

// PhaseUpload is the phase of a run whose programs succeeded and whose files were not
// uploaded.
const PhaseUpload = "upload"

const (
	// uploadPart is how many bytes of a file go into one message.
	uploadPart = 256 << 10
	// uploadPatience bounds the time without a byte moving of one try, the last
	// write to disk included. Once it has passed, uploadTries are enough.
	uploadPatience = time.Minute
	uploadTries    = 5
)

// Uploader uploads files of one member over one connection, which it opens at the first
// file. Its methods may not be called concurrently.
type Uploader struct {
	client *Client
	place  Place
	conn   *grpc.ClientConn // nil: the next file opens one
	buffer []byte           // for one part, which Send copies
}

// NewUploader returns an Uploader for the member that c has registered. The caller closes
// it.
func (c *Client) NewUploader(place Place) *Uploader {
	return &Uploader{client: c, place: place, buffer: make([]byte, uploadPart)}
}

// Close closes the connection.
func (u *Uploader) Close() error {
	if u.conn == nil {
		return nil
	}
	err := u.conn.Close()
	u.conn = nil
	return err
}

// Upload uploads one file. path is relative to the program's working directory, with
// slashes. Upload retries as Report does, each time with a new reader and a new
// connection. It calls moved with the bytes of each part that it has sent.
func (u *Uploader) Upload(ctx context.Context, path string, open func() (io.ReadCloser, error), moved func(int)) error {
	began, tries := time.Now(), 0
	err := u.client.retry(ctx, func() error {
		err := u.uploadOnce(ctx, path, open, moved)
		if err == nil {
			return nil
		}
		_ = u.Close() // it may be the connection's fault
		if tries++; tries >= uploadTries && time.Since(began) > uploadPatience {
			return status.Error(codes.FailedPrecondition, err.Error())
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("reserve: upload %s: %s", path, status.Convert(err).Message())
	}
	return nil
}

func (u *Uploader) uploadOnce(ctx context.Context, path string, open func() (io.ReadCloser, error), moved func(int)) error {
	file, err := open()
	if err != nil {
		return status.Error(codes.FailedPrecondition, err.Error())
	}
	defer file.Close()
	if u.conn == nil {
		if u.conn, err = u.client.connect(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	still := time.AfterFunc(uploadPatience, cancel)
	defer still.Stop()
	stream, err := pb.NewReservationClient(u.conn).Upload(ctx)
	if err != nil {
		return err
	}
	part := u.client.firstPart(u.place, path)
	for {
		n, err := io.ReadFull(file, u.buffer)
		end := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !end {
			return status.Error(codes.FailedPrecondition, err.Error())
		}
		part.Data = u.buffer[:n]
		if err := stream.Send(part); err != nil && !errors.Is(err, io.EOF) { // EOF: the reply says why
			return err
		}
		still.Reset(uploadPatience)
		moved(n)
		if end {
			_, err := stream.CloseAndRecv()
			return err
		}
		part = &pb.UploadPart{}
	}
}

// firstPart names the file and its member. It has no data yet.
func (c *Client) firstPart(place Place, path string) *pb.UploadPart {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &pb.UploadPart{Token: c.token, Job: place.Job, Index: int32(place.Index), Incarnation: c.incarnation, Path: []byte(path)}
}

// Upload implements the service.
func (s *server) Upload(stream pb.Reservation_UploadServer) error {
	part, err := stream.Recv()
	if err != nil {
		return err
	}
	if err := s.checkToken(part.GetToken()); err != nil {
		return err
	}
	place, name := Place{part.GetJob(), int(part.GetIndex())}, string(part.GetPath())
	if s.uploads == nil || !filepath.IsLocal(name) {
		return status.Errorf(codes.InvalidArgument, "no file %q is wanted", name)
	}
	if err := s.checkHolder(stream.Context(), place, part.GetIncarnation()); err != nil {
		return err
	}
	if err := keepFile(stream, s.uploads.path(place, name), part); err != nil {
		return err
	}
	return stream.SendAndClose(&pb.UploadReply{})
}

// checkHolder returns an error for an incarnation that no longer holds its place.
func (s *server) checkHolder(ctx context.Context, place Place, incarnation int64) error {
	answer := make(chan bool, 1)
	posted := s.postInput(ctx, func(r *Roster, _ time.Time) []Effect {
		p := r.find(place)
		answer <- p != nil && p.state == live && p.incarnation == incarnation
		return nil
	})
	if !posted {
		return status.Error(codes.Unavailable, "the reservation server is ending")
	}
	if !<-answer {
		return status.Errorf(codes.InvalidArgument, "%s is not this member's place", place)
	}
	return nil
}

// keepFile writes the parts of a file, of which first is the first, to name.
func keepFile(stream pb.Reservation_UploadServer, name string, first *pb.UploadPart) error {
	ctx := stream.Context()
	failed := func(err error) error {
		return status.Errorf(codes.FailedPrecondition, "%v", err)
	}
	s, err := store.For(name)
	if err != nil {
		return failed(err)
	}
	if err := s.Mkdir(ctx, store.Dir(name)); err != nil {
		return failed(err)
	}
	file, err := s.Create(ctx, name)
	if err != nil {
		return failed(err)
	}
	defer func() { _ = file.Abort() }() // nothing after Commit
	for part := first; ; {
		if _, err := file.Write(part.GetData()); err != nil {
			return failed(err)
		}
		if part, err = stream.Recv(); errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if err := file.Commit(); err != nil {
		return failed(err)
	}
	return nil
}

// folder returns the folder of a member's uploaded files.
func (u *UploadConfig) folder(p Place) string {
	return fmt.Sprintf("%s/%s-%d", u.Folder, p.Job, p.Index)
}

func (u *UploadConfig) path(p Place, name string) string { return u.folder(p) + "/" + name }

// placeFiles is what one member has reported about its working directory.
type placeFiles struct {
	place Place
	host  string
	WorkingFiles
}

// workingFiles returns the reports of the members that have one, in the plan's order.
func (r *Roster) workingFiles() []placeFiles {
	var out []placeFiles
	for _, p := range r.places {
		if p.outcome != nil && p.outcome.Working.Folder != "" {
			out = append(out, placeFiles{p.name(), p.registration.Host, p.outcome.Working})
		}
	}
	return out
}

// addUploads adds to a verdict what became of the members' files. A run has not
// succeeded if files that the job wants were not uploaded.
func (p *process) addUploads(v Verdict, members []placeFiles) Verdict {
	var matched []string
	for _, m := range members {
		matched = append(matched, m.Matched...)
		if m.Files == 0 {
			continue
		}
		files := MemberFiles{
			Member: m.place.String(), Host: m.host, Folder: m.Folder, Files: m.Files, Bytes: m.Bytes,
			UploadedFiles: m.Uploaded, UploadedBytes: m.UploadedBytes, Error: m.Error,
		}
		if m.Uploaded > 0 {
			files.UploadedTo = p.cfg.Uploads.folder(m.place)
		}
		v.WorkingFiles = append(v.WorkingFiles, files)
		if m.Error != "" && v.Code == exit.Done {
			v.Code, v.Phase, v.Member, v.Host = exit.Output, PhaseUpload, files.Member, m.host
			v.Cause = fmt.Sprintf("a file of %s was not brought to %s: %s", files.Member, p.cfg.Uploads.folder(m.place), m.Error)
		}
	}
	if p.cfg.Uploads == nil || v.Code != exit.Done {
		return v
	}
	for _, pattern := range p.cfg.Uploads.Patterns {
		if !slices.Contains(matched, pattern) {
			p.events.queueEvent(Warning{Message: fmt.Sprintf("app.python.outputs: %s: no program has written such a file into its working directory", pattern)})
		}
	}
	return v
}
