package store

import (
	"context"
	"io/fs"
	"path"
	"strings"
	"time"

	"tfos/internal/store/bucket"
)

// objectInfo is the fs.FileInfo and fs.DirEntry of an object or folder.
type objectInfo struct {
	name     string
	size     int64
	modified time.Time
	folder   bool
}

func infoOf(o bucket.Object) objectInfo {
	// In UTC: callers compare what Stat and Match return, and == compares time zones too.
	return objectInfo{name: path.Base(o.Key), size: o.Size, modified: o.Modified.UTC()}
}

func folderInfo(key string) objectInfo { return objectInfo{name: path.Base("/" + key), folder: true} }

func (i objectInfo) Name() string               { return i.name }
func (i objectInfo) Size() int64                { return i.size }
func (i objectInfo) ModTime() time.Time         { return i.modified }
func (i objectInfo) IsDir() bool                { return i.folder }
func (i objectInfo) Sys() any                   { return nil }
func (i objectInfo) Type() fs.FileMode          { return i.Mode() & fs.ModeType }
func (i objectInfo) Info() (fs.FileInfo, error) { return i, nil }
func (i objectInfo) Mode() fs.FileMode {
	if i.folder {
		return fs.ModeDir | 0o777
	}
	return 0o666
}

// objectTree is the tree of one call of Match. It remembers what listings said, because
// each stat is one or two requests.
type objectTree struct {
	o     *Objects
	root  string // scheme://bucket
	known map[string]objectInfo
}

func (t *objectTree) stat(ctx context.Context, p string) (fs.FileInfo, error) {
	key := t.o.key(t.root + p)
	if info, found := t.known[key]; found {
		return info, nil
	}
	info, err := t.o.stat(ctx, t.root+p)
	if err != nil {
		return nil, err
	}
	t.known[key] = info
	return info, nil
}

func (t *objectTree) readDir(ctx context.Context, p string) (entries []fs.DirEntry, err error) {
	prefix := below(t.o.key(t.root + p))
	add := func(name string, info objectInfo) {
		if name == "" || strings.Contains(name, "/") {
			return // the folder's own marker, or a name that is empty
		}
		if _, found := t.known[prefix+name]; !found || !info.folder {
			t.known[prefix+name] = info
		}
		entries = append(entries, info)
	}
	err = t.o.each(ctx, t.root+p, bucket.ListRequest{Prefix: prefix, Folders: true}, func(page bucket.Page) {
		for _, object := range page.Objects {
			if isOldMarker(object) {
				continue
			}
			add(strings.TrimPrefix(object.Key, prefix), infoOf(object))
		}
		for _, folder := range page.Prefixes {
			name := strings.TrimSuffix(strings.TrimPrefix(folder, prefix), "/")
			add(name, folderInfo(name))
		}
	})
	return entries, err
}

// Match implements Store.
func (o *Objects) Match(ctx context.Context, pattern string) ([]Info, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	root, rest := cutRoot(pattern)
	if rest == "" {
		rest = "/"
	}
	return matchIn(ctx, &objectTree{o, root, map[string]objectInfo{}}, root, rest)
}

// List implements Store. It lists a folder with all its depths by one request for each
// thousand objects or so.
func (o *Objects) List(ctx context.Context, pattern string) ([]Info, error) {
	return listMatches(ctx, o, pattern, func(match Info, see func(Info)) error {
		if !match.Dir {
			see(match)
			return nil
		}
		prefix := below(o.key(match.Path))
		return o.each(ctx, match.Path, bucket.ListRequest{Prefix: prefix}, func(page bucket.Page) {
			for _, object := range page.Objects {
				if name := strings.TrimPrefix(object.Key, prefix); isData(name) && !isOldMarker(object) {
					see(entry(joinPath(match.Path, name), infoOf(object)))
				}
			}
		})
	})
}

// isData reports whether the path of an object in a listed folder is that of a data file.
func isData(path string) bool {
	for name := range strings.SplitSeq(path, "/") {
		if name == "" || hidden(name) {
			return false
		}
	}
	return true
}

// oldMarker ends the keys of markers that EMR's file system and Hadoop's s3n make beside their
// folders.
const oldMarker = "_$folder$"

// isOldMarker reports whether an object is such a marker. As for Hadoop's S3A, it is no file.
func isOldMarker(object bucket.Object) bool {
	return object.Size == 0 && strings.HasSuffix(object.Key, oldMarker)
}
