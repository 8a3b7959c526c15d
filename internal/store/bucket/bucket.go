package bucket

import (
	"context"
	"io"
	"strconv"
	"strings"
	"time"
)

// Bucket is one bucket of an object store. Its methods may be called concurrently.
type Bucket interface {
	// Limits returns what the store can do.
	Limits() Limits
	// Put writes an object of at most Limits.Put bytes. The object appears at once, or
	// not at all.
	Put(ctx context.Context, key string, data []byte, only Condition) (etag string, err error)
	// Get reads an object. The body lives as long as ctx. The caller closes it. The
	// error is ErrRange if the range begins at the object's end or after it.
	Get(ctx context.Context, key string, r Range) (*Body, error)
	// Head describes an object.
	Head(ctx context.Context, key string) (Object, error)
	// List returns a page of the objects whose keys begin with a prefix, in their order.
	List(ctx context.Context, r ListRequest) (Page, error)
	// Delete deletes objects. An absent object is no error. After an error some of
	// them may be deleted.
	Delete(ctx context.Context, keys ...string) error
	// Copy copies an object on the server. from has key, size and ETag: if the source
	// has changed, the error is ErrChanged.
	Copy(ctx context.Context, from Object, to string, only Condition) error
	// Upload begins an object of several parts. It appears at Upload.Complete.
	Upload(ctx context.Context, key string) (Upload, error)
}

// Limits are what a store can do.
type Limits struct {
	MinPart     int64 // bytes of a part that is not the last
	MaxCopyPart int64 // bytes that Upload.CopyPart can copy; 0: it cannot copy
	Parallel    int   // parts that may be uploaded at the same time
	Copies      int   // calls of Copy that may run at the same time
}

// Condition limits a write. The zero value is no condition.
type Condition struct {
	Absent bool   // only if the object does not exist. Otherwise the error is fs.ErrExist
	ETag   string // only if the object has this ETag. Otherwise the error is ErrChanged
}

// Range is a part of an object.
type Range struct {
	Offset int64
	Length int64  // bytes; negative: to the end. It is never 0
	ETag   string // if set, the error is ErrChanged if the object has another ETag
}

// Object describes an object.
type Object struct {
	Key      string
	Size     int64 // bytes
	Modified time.Time
	ETag     string
	Now      time.Time // the store's clock when it answered. Only Head sets it
}

// Body is what Get reads.
type Body struct {
	io.ReadCloser
	ETag string
	Size int64 // bytes of the whole object; -1: the answer does not say, as one to a Get without a range
}

// SizeOf returns Body.Size by an answer's Content-Range, "bytes 0-99/1234".
func SizeOf(contentRange string) int64 {
	_, total, _ := strings.Cut(contentRange, "/")
	size, err := strconv.ParseInt(total, 10, 64)
	if err != nil || size < 0 {
		return -1
	}
	return size
}

// ListRequest asks for a page of a listing.
type ListRequest struct {
	Prefix  string
	Folders bool   // only up to the next slash: keys with a slash after the prefix are Prefixes
	Next    string // Page.Next of the page before
	Max     int    // at most so many entries; 0: as many as the store likes
}

// Page is a part of a listing.
type Page struct {
	Objects  []Object
	Prefixes []string // they end with a slash
	Next     string   // empty: this is the last page
}

// Upload is an object that is being written in parts.
type Upload interface {
	// Part uploads a part. Numbers begin at 0 and have no gaps. Up to Limits.Parallel
	// calls may run at the same time. With Parallel 1 they come in order. Parts have
	// at least Limits.MinPart bytes, except the last. After an error the same part may
	// be uploaded again. The caller must not change data after the call, unless it has
	// returned nil and another part follows.
	Part(ctx context.Context, number int, data []byte) error
	// CopyPart makes a part of an object's range, on the server. from has key and ETag.
	CopyPart(ctx context.Context, number int, from Object, offset, size int64) error
	// Complete makes the object appear. After an error it may be called again, and
	// finds out whether the object has appeared.
	Complete(ctx context.Context) error
	// Abort drops the parts.
	Abort(ctx context.Context) error
}
