package node

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// unpack writes the files of a tar archive into folder. Each file appears complete under
// its name. A file that an earlier attempt has written stays: it has the same size,
// permissions and time as in the archive.
func unpack(ctx context.Context, archive, folder string) error {
	f, err := os.Open(archive)
	if err != nil {
		return fmt.Errorf("node: unpack the job's files: %w", err)
	}
	defer f.Close()
	for r := tar.NewReader(f); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = unpackFile(r, header, folder)
		}
		if err != nil {
			return fmt.Errorf("node: unpack the job's files: %w", err)
		}
	}
}

func unpackFile(r io.Reader, header *tar.Header, folder string) (err error) {
	if header.Typeflag != tar.TypeReg || !filepath.IsLocal(header.Name) {
		return fmt.Errorf("%s: not a file below the folder", header.Name)
	}
	path := filepath.Join(folder, header.Name)
	// The owner must be able to read and write it.
	mode := fs.FileMode(header.Mode).Perm() | 0o600
	if info, err := os.Lstat(path); err == nil && info.Mode() == mode && info.Size() == header.Size && info.ModTime().Equal(header.ModTime) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".tfos-*")
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	err = errors.Join(err, f.Chmod(mode), f.Close())
	if err == nil {
		err = os.Chtimes(f.Name(), header.ModTime, header.ModTime)
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}
