package gcs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"tfos/internal/store/bucket"
)

// chunk is what the sizes of an upload's parts are multiples of, except the last.
const chunk = 256 << 10

// upload is a resumable upload. Its bytes go up in their order.
type upload struct {
	b       *Bucket
	session string // address. Who knows it may write the object, so it is in no error
	sent    int64  // bytes of complete parts
	last    []byte // a part whose size is no multiple of chunk. Complete sends it
	part    int    // the number of the next part
}

func (b *Bucket) uploadURL(query url.Values) string {
	return b.base + "/upload/storage/v1/b/" + url.PathEscape(b.name) + "/o?" + query.Encode()
}

// Upload implements bucket.Bucket.
func (b *Bucket) Upload(ctx context.Context, key string) (bucket.Upload, error) {
	header := http.Header{}
	err := b.call(ctx, request{
		method: http.MethodPost, url: b.uploadURL(url.Values{"uploadType": {"resumable"}, "name": {key}}), answered: &header,
	})
	if err != nil {
		return nil, conditional(err, bucket.Condition{})
	}
	session := header.Get("Location")
	if session == "" {
		return nil, &bucket.Error{Message: "the store began no upload: its answer has no Location"}
	}
	return &upload{b: b, session: session}, nil
}

// Part implements bucket.Upload.
func (u *upload) Part(ctx context.Context, number int, data []byte) error {
	if number != u.part || u.last != nil {
		return fmt.Errorf("part %d of an upload comes after part %d", number, u.part-1)
	}
	if len(data)%chunk != 0 {
		u.last, u.part = data, number+1
		return nil
	}
	if err := u.send(ctx, data, "*"); err != nil {
		return err
	}
	u.sent += int64(len(data))
	u.part++
	return nil
}

// statusGoOn is the status of an upload that is not complete.
const statusGoOn = http.StatusPermanentRedirect

// send sends bytes that follow those sent. total is the object's size, or "*". The store
// may take a part of them only, and may have them already: then the rest follows.
func (u *upload) send(ctx context.Context, data []byte, total string) error {
	for begin := u.sent; ; {
		rest := data[begin-u.sent:]
		content := "bytes */" + total
		if len(rest) > 0 {
			content = fmt.Sprintf("bytes %d-%d/%s", begin, begin+int64(len(rest))-1, total)
		}
		header := http.Header{}
		status := 0
		err := u.put(ctx, content, rest, &header, &status)
		if err != nil || status < 300 {
			return err
		}
		has := received(header)
		if has < begin || has > u.sent+int64(len(data)) {
			return &bucket.Error{Again: true, Message: fmt.Sprintf("the upload has %d bytes, and not %d", has, begin+int64(len(rest)))}
		}
		if has == u.sent+int64(len(data)) && total == "*" {
			return nil
		}
		if has == begin {
			return &bucket.Error{Again: true, Message: "the store took no bytes"}
		}
		begin = has
	}
}

// put makes one call to the session.
func (u *upload) put(ctx context.Context, content string, data []byte, header *http.Header, status *int) error {
	answer, err := u.b.send(ctx, request{
		method: http.MethodPut, url: u.session, body: data, header: http.Header{"Content-Range": {content}}, also: statusGoOn,
	})
	var e *bucket.Error
	if errors.As(err, &e) && errors.Is(e.Kind, fs.ErrNotExist) {
		e.Kind, e.Message = nil, "the upload is over, or a week old"
	}
	if err != nil {
		return err
	}
	*header, *status = answer.Header, answer.StatusCode
	_ = answer.Body.Close() // it has nothing that is needed
	return nil
}

// received returns how many bytes the store has, by its header Range: bytes=0-42.
func received(header http.Header) int64 {
	_, last, found := strings.Cut(header.Get("Range"), "-")
	n, err := strconv.ParseInt(last, 10, 64)
	if !found || err != nil {
		return 0
	}
	return n + 1
}

// CopyPart implements bucket.Upload: GCS copies no parts.
func (u *upload) CopyPart(context.Context, int, bucket.Object, int64, int64) error {
	return errors.ErrUnsupported
}

// Complete implements bucket.Upload. A complete upload answers a repeated call as the
// first.
func (u *upload) Complete(ctx context.Context) error {
	return u.send(ctx, u.last, strconv.FormatInt(u.sent+int64(len(u.last)), 10))
}

// statusCancelled is the status of an upload that was cancelled.
const statusCancelled = 499

// Abort implements bucket.Upload.
func (u *upload) Abort(ctx context.Context) error {
	err := u.b.call(ctx, request{method: http.MethodDelete, url: u.session, also: statusCancelled})
	var e *bucket.Error
	if errors.As(err, &e) && (e.Status == http.StatusNotFound || e.Status == http.StatusGone) {
		return nil
	}
	return err
}
