package launch

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"tfos/internal/exit"
)

// Packed is a file to put into an archive: From is its path on this machine, To
// its name in the archive, with slashes.
type Packed struct{ From, To string }

// WriteArchive writes a tar file of files, in their order. It keeps each file's
// content, permissions and change time, in whole seconds. It follows symbolic
// links. The same files give the same bytes.
func (s Scratch) WriteArchive(name string, files []Packed) (err error) {
	f, err := os.OpenFile(s.Path(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fail(exit.Internal, "scratch", "write %s: %w", name, err)
	}
	w := tar.NewWriter(f)
	for _, p := range files {
		if err = addFile(w, p); err != nil {
			break
		}
	}
	if err = errors.Join(err, w.Close(), f.Close()); err != nil {
		return fail(exit.Internal, "scratch", "write %s: %w", name, err)
	}
	return nil
}

func addFile(w *tar.Writer, p Packed) error {
	f, err := os.Open(p.From)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	err = w.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: p.To, Size: info.Size(), Mode: int64(info.Mode().Perm()),
		ModTime: info.ModTime().Truncate(time.Second),
	})
	if err == nil {
		_, err = io.Copy(w, io.LimitReader(f, info.Size()))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", p.From, err)
	}
	return nil
}
