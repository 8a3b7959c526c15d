package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"tfos/internal/store/bucket"
)

// Objects is the Store of a bucket of an object store: S3, GCS, Azure Blob. Paths are
// URLs: scheme://bucket/key. As in Hadoop, percent signs are literal and keys with an
// empty name, such as a//b, are out of reach.
//
// A folder is what the keys of its files begin with, up to a slash. Mkdir makes a marker,
// an empty object whose key ends with a slash, as Hadoop does: the folder is there while
// it is empty. A folder without a marker ends with its last file.
type Objects struct {
	bucket bucket.Bucket
	root   string // scheme://bucket
	retry  retryPolicy
	lease  time.Duration // of locks
	slow   time.Duration // limit of a call without much data, and of the wait for the next bytes
	given  Settings
}

// leaseTime is how long the lock of a dead process keeps others out.
const leaseTime = 60 * time.Second

func newObjects(root string, b bucket.Bucket, given Settings) *Objects {
	return &Objects{bucket: b, root: root, retry: remote, lease: leaseTime, slow: callTime, given: given}
}

// key returns the key of a path. It is "" for the bucket itself. It has no slash at its
// end.
func (o *Objects) key(p string) string {
	_, rest := cutRoot(p)
	return strings.TrimPrefix(path.Clean("/"+rest), "/")
}

// cutRoot cuts a URL into scheme://bucket and the rest, which is empty or begins with a
// slash.
func cutRoot(p string) (root, rest string) {
	scheme, after, found := strings.Cut(p, "://")
	if !found {
		return "", p
	}
	at := strings.IndexByte(after, '/')
	if at < 0 {
		return p, ""
	}
	return p[:len(scheme)+len("://")+at], after[at:]
}

// url returns the path of a key, for errors.
func (o *Objects) url(key string) string { return o.root + "/" + key }

// do calls the bucket for a small answer, as often as the policy says.
func (o *Objects) do(ctx context.Context, operation, path string, try func(context.Context) error) error {
	return o.call(ctx, call{operation, path}, o.slow, try)
}

// transfer is do for a call that sends size bytes.
func (o *Objects) transfer(ctx context.Context, operation, path string, size int64, try func(context.Context) error) error {
	return o.call(ctx, call{operation, path}, o.slow+time.Duration(size/writeRate)*time.Second, try)
}

// call calls the bucket as often as the policy says. A try has at most limit; 0 is no limit.
func (o *Objects) call(ctx context.Context, c call, limit time.Duration, try func(context.Context) error) error {
	return o.given.nameKeystore(o.retry.do(ctx, c, limit, try))
}

// head describes the object at a path.
func (o *Objects) head(ctx context.Context, path string) (found bucket.Object, err error) {
	err = o.do(ctx, "stat", path, func(ctx context.Context) (err error) {
		found, err = o.bucket.Head(ctx, o.key(path))
		return err
	})
	return found, err
}

// Stat implements Store. The file comes before a folder of the same name.
func (o *Objects) Stat(ctx context.Context, path string) (Info, error) {
	info, err := o.stat(ctx, path)
	if err != nil {
		return Info{}, err
	}
	return entry(path, info), nil
}

func (o *Objects) stat(ctx context.Context, path string) (objectInfo, error) {
	if err := ctx.Err(); err != nil {
		return objectInfo{}, err
	}
	key := o.key(path)
	if key != "" && !strings.HasSuffix(path, "/") {
		object, err := o.head(ctx, path)
		if err == nil {
			return infoOf(object), nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return objectInfo{}, err
		}
	}
	switch found, err := o.isFolder(ctx, path); {
	case err != nil:
		return objectInfo{}, err
	case found || key == "":
		return folderInfo(key), nil
	}
	return objectInfo{}, fmt.Errorf("store: stat %s: %w", path, fs.ErrNotExist)
}

// isFolder reports whether there is a key below a path.
func (o *Objects) isFolder(ctx context.Context, path string) (bool, error) {
	page := bucket.Page{}
	err := o.do(ctx, "stat", path, func(ctx context.Context) (err error) {
		page, err = o.bucket.List(ctx, bucket.ListRequest{Prefix: below(o.key(path)), Max: 1})
		return err
	})
	return len(page.Objects) > 0, err
}

// below returns what the keys in a folder begin with.
func below(key string) string {
	if key == "" {
		return ""
	}
	return key + "/"
}

// Mkdir implements Store. It makes no markers of the folders above. An existing folder
// stays as it is.
func (o *Objects) Mkdir(ctx context.Context, path string) error {
	info, err := o.stat(ctx, path)
	switch {
	case err == nil && !info.IsDir():
		return fmt.Errorf("store: make folder %s: a file has this name: %w", path, fs.ErrExist)
	case err == nil || !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return o.mark(ctx, path)
}

// mark makes the marker of a folder.
func (o *Objects) mark(ctx context.Context, path string) error {
	return o.do(ctx, "make folder", path, func(ctx context.Context) error {
		_, err := o.bucket.Put(ctx, below(o.key(path)), nil, bucket.Condition{})
		return err
	})
}

// Remove implements Store. It deletes the folders' markers after the files.
func (o *Objects) Remove(ctx context.Context, path string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	key := o.key(path)
	if key == "" {
		return fmt.Errorf("store: remove %s: tfos does not empty a bucket", path)
	}
	keys, err := o.keys(ctx, path)
	if err != nil {
		return err
	}
	if !strings.HasSuffix(path, "/") {
		keys = append(keys, key)
	}
	return o.deleteKeys(ctx, path, keys)
}

// deletedAtOnce is how many keys one call to the bucket deletes, so that a retry repeats
// little.
const deletedAtOnce = 1000

// deleteKeys deletes objects, markers last and the deepest first: stores with real
// folders delete only empty ones.
func (o *Objects) deleteKeys(ctx context.Context, path string, keys []string) error {
	var files, markers []string
	for _, key := range keys {
		if strings.HasSuffix(key, "/") {
			markers = append(markers, key)
		} else {
			files = append(files, key)
		}
	}
	for ; len(files) > 0; files = files[min(deletedAtOnce, len(files)):] {
		if err := o.deleteSome(ctx, path, files[:min(deletedAtOnce, len(files))]); err != nil {
			return err
		}
	}
	for len(markers) > 0 {
		var deepest []string
		markers, deepest = cutDeepest(markers)
		if err := o.deleteSome(ctx, path, deepest); err != nil {
			return err
		}
	}
	return nil
}

// deleteTime is what one object of a call may take: some stores delete one by one.
const deleteTime = 100 * time.Millisecond

func (o *Objects) deleteSome(ctx context.Context, path string, keys []string) error {
	limit := o.slow + time.Duration(len(keys))*deleteTime
	return o.call(ctx, call{"remove", path}, limit, func(ctx context.Context) error { return o.bucket.Delete(ctx, keys...) })
}

// cutDeepest splits off the keys with the most slashes, of at most deletedAtOnce keys.
func cutDeepest(keys []string) (rest, deepest []string) {
	most := 0
	for _, key := range keys {
		most = max(most, strings.Count(key, "/"))
	}
	for _, key := range keys {
		if strings.Count(key, "/") == most && len(deepest) < deletedAtOnce {
			deepest = append(deepest, key)
		} else {
			rest = append(rest, key)
		}
	}
	return rest, deepest
}

// keys returns all keys below a path, markers too.
func (o *Objects) keys(ctx context.Context, path string) (keys []string, err error) {
	err = o.each(ctx, path, bucket.ListRequest{Prefix: below(o.key(path))}, func(page bucket.Page) {
		for _, object := range page.Objects {
			keys = append(keys, object.Key)
		}
	})
	return keys, err
}

// each calls see with every page of a listing.
func (o *Objects) each(ctx context.Context, path string, r bucket.ListRequest, see func(bucket.Page)) error {
	for {
		page := bucket.Page{}
		err := o.do(ctx, "list", path, func(ctx context.Context) (err error) {
			page, err = o.bucket.List(ctx, r)
			return err
		})
		if err != nil {
			return err
		}
		see(page)
		if page.Next == "" {
			return nil
		}
		r.Next = page.Next
	}
}
