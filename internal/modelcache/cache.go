package modelcache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tfos/internal/exit"
	"tfos/internal/model"
	"tfos/internal/store"
)

// Content says which files of a model a copy has.
type Content int

// Values of Content.
const (
	Whole Content = iota // all files
	Graph                // of values of variables the first bytes only
)

// Cache is a folder of copies.
type Cache struct {
	Root string // absolute. It is made, for its owner only
}

// Default returns the cache of this process's user, by its environment.
func Default() Cache { return Cache{DefaultRoot(os.Getenv)} }

// DefaultRoot returns the folder of copies of this user on this host: TFOS_CACHE_DIR, else
// tfos/models in XDG_CACHE_HOME or ~/.cache, else /var/tmp/tfos-UID/models. getenv is
// os.Getenv.
func DefaultRoot(getenv func(string) string) string {
	if dir := getenv("TFOS_CACHE_DIR"); filepath.IsAbs(dir) {
		return dir
	}
	if dir := getenv("XDG_CACHE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "tfos", "models")
	}
	if home := getenv("HOME"); filepath.IsAbs(home) && unix.Access(home, unix.W_OK) == nil {
		return filepath.Join(home, ".cache", "tfos", "models")
	}
	return filepath.Join("/var/tmp", "tfos-"+strconv.Itoa(os.Getuid()), "models")
}

// Copy is a model's copy on this machine.
type Copy struct {
	URL  string // that the caller named, without slashes at its end
	Path string // of the copy: what URL names is here
}

// Error says why a model could not be copied.
type Error struct {
	URL string
	Err error
}

func (e *Error) Error() string {
	return fmt.Sprintf("model: copy %s to this machine: %v", e.URL, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// ExitCode is 2 if there is no such model, else 5.
func (e *Error) ExitCode() exit.Code {
	if errors.Is(e.Err, fs.ErrNotExist) || errors.Is(e.Err, store.ErrUnsupported) || errors.Is(e.Err, store.ErrSecret) {
		return exit.Usage
	}
	return exit.Failed
}

// Remote returns the URL of a file or folder of the copy. Other paths are returned as they
// are.
func (c Copy) Remote(path string) string {
	if rest, ok := strings.CutPrefix(path, c.Path); ok {
		return c.URL + rest
	}
	return path
}

// InURL returns a text with URLs in the place of the copy's paths.
func (c Copy) InURL(text string) string {
	return strings.ReplaceAll(text, filepath.Dir(c.Path), strings.TrimSuffix(store.Dir(c.URL), "/"))
}

// lockTime is the time between two attempts to lock a copy that another process downloads.
const lockTime = 100 * time.Millisecond

// Source returns a source with its copy on this machine. A source of local paths is
// returned as it is.
func (c Cache) Source(ctx context.Context, s model.Source, content Content) (model.Source, error) {
	if !store.Remote(s.Path()) || s.Here != "" {
		return s, nil
	}
	copied, err := c.Fetch(ctx, s.Path(), content)
	s.Here = copied.Path
	return s, err
}

// Fetch returns the copy of the model at a URL, which this process then holds. The error is
// an *Error. It wraps fs.ErrNotExist if there is nothing.
func (c Cache) Fetch(ctx context.Context, url string, content Content) (Copy, error) {
	url = strings.TrimRight(url, "/")
	copied, err := c.fetch(ctx, url, content)
	if err != nil {
		return Copy{}, &Error{url, err}
	}
	return copied, nil
}

func (c Cache) fetch(ctx context.Context, url string, content Content) (Copy, error) {
	st, err := store.For(url)
	if err != nil {
		return Copy{}, err
	}
	m, err := list(ctx, st, url, content)
	if err != nil {
		return Copy{}, err
	}
	if err := c.makeRoot(); err != nil {
		return Copy{}, err
	}
	key := m.key()
	held, err := c.lock(ctx, key)
	if err != nil {
		return Copy{}, err
	}
	folder := filepath.Join(c.Root, key)
	if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
		if err := c.download(ctx, st, m, folder); err != nil {
			return Copy{}, errors.Join(err, held.Close())
		}
	} else if err != nil {
		return Copy{}, errors.Join(err, held.Close())
	}
	// The shared lock stays until the process ends: nobody deletes a copy that is used.
	if err := share(held); err != nil {
		return Copy{}, errors.Join(err, held.Close())
	}
	holdForever(held)
	return Copy{URL: url, Path: filepath.Join(folder, m.base)}, nil
}

// makeRoot makes the folder of copies. It refuses a folder that others may write: they
// could exchange models.
func (c Cache) makeRoot() error {
	if err := os.MkdirAll(c.Root, 0o700); err != nil {
		return fmt.Errorf("%w: name another folder by TFOS_CACHE_DIR", err)
	}
	for folder, forbidden := range map[string]uint32{c.Root: 0o022, filepath.Dir(c.Root): 0o002} {
		var info unix.Stat_t
		if err := unix.Stat(folder, &info); err != nil {
			return &fs.PathError{Op: "stat", Path: folder, Err: err}
		}
		mine := info.Uid == uint32(os.Getuid()) || info.Uid == 0
		if sticky := info.Mode&unix.S_ISVTX != 0; !mine || info.Mode&forbidden != 0 && !sticky {
			return fmt.Errorf("%s belongs to another user, or others may write there: name another folder by TFOS_CACHE_DIR", folder)
		}
	}
	return nil
}

// download makes a copy. The caller holds its lock alone.
func (c Cache) download(ctx context.Context, st store.Store, m listing, folder string) error {
	staging, err := os.MkdirTemp(c.Root, ".new-*")
	if err != nil {
		return err
	}
	err = m.copyTo(ctx, st, staging)
	if err == nil {
		err = m.unchanged(ctx, st)
	}
	if err == nil {
		err = os.Rename(staging, folder)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(staging))
	}
	c.clean(time.Now(), maxBytes)
	return nil
}
