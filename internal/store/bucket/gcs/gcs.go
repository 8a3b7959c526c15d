package gcs

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"tfos/internal/store/bucket"
)

// deleteCalls are the objects that are deleted at the same time.
const deleteCalls = 32

// Bucket is a bucket of Google Cloud Storage.
type Bucket struct {
	client *http.Client
	tokens *tokens // nil: anonymous
	base   string  // of the API, without a slash at its end
	name   string
}

// object is an object's resource.
type object struct {
	Name       string    `json:"name"`
	Size       int64     `json:"size,string"`
	Generation string    `json:"generation"`
	Updated    time.Time `json:"updated"`
	CRC32C     string    `json:"crc32c"`
}

func (o object) asObject() bucket.Object {
	return bucket.Object{Key: o.Name, Size: o.Size, Modified: o.Updated, ETag: o.Generation}
}

// Limits implements bucket.Bucket.
func (b *Bucket) Limits() bucket.Limits {
	return bucket.Limits{Parallel: 1, Copies: 64}
}

// objectURL is the address of an object.
func (b *Bucket) objectURL(key string) string {
	return b.base + "/storage/v1/b/" + url.PathEscape(b.name) + "/o/" + url.PathEscape(key)
}

// generation is the query of a condition. Generation 0 is that of an absent object.
func generation(query url.Values, only bucket.Condition) url.Values {
	switch {
	case only.Absent:
		query.Set("ifGenerationMatch", "0")
	case only.ETag != "":
		query.Set("ifGenerationMatch", only.ETag)
	}
	return query
}

// conditional gives the error of a write its kind.
func conditional(err error, only bucket.Condition) error {
	var e *bucket.Error
	if !errors.As(err, &e) {
		return err
	}
	switch {
	case only.Absent && errors.Is(e.Kind, bucket.ErrChanged):
		e.Kind = fs.ErrExist
	case errors.Is(e.Kind, fs.ErrNotExist): // a write finds no object only if there is no bucket
		e.Kind = bucket.ErrNoBucket
	}
	return err
}

// Put implements bucket.Bucket.
func (b *Bucket) Put(ctx context.Context, key string, data []byte, only bucket.Condition) (string, error) {
	query := generation(url.Values{"uploadType": {"media"}, "name": {key}}, only)
	done := object{}
	err := b.call(ctx, request{method: http.MethodPost, url: b.uploadURL(query), body: data, answer: &done})
	if err != nil {
		return "", conditional(err, only)
	}
	if err := done.check(data); err != nil {
		return "", err
	}
	return done.Generation, nil
}

// Get implements bucket.Bucket.
func (b *Bucket) Get(ctx context.Context, key string, r bucket.Range) (*bucket.Body, error) {
	query := url.Values{"alt": {"media"}}
	if r.ETag != "" {
		query.Set("generation", r.ETag)
	}
	header := http.Header{}
	if r.Length >= 0 {
		header.Set("Range", "bytes="+strconv.FormatInt(r.Offset, 10)+"-"+strconv.FormatInt(r.Offset+r.Length-1, 10))
	} else if r.Offset > 0 {
		header.Set("Range", "bytes="+strconv.FormatInt(r.Offset, 10)+"-")
	}
	answer, err := b.send(ctx, request{method: http.MethodGet, url: b.objectURL(key) + "?" + query.Encode(), header: header})
	if err != nil {
		if r.ETag != "" && errors.Is(err, fs.ErrNotExist) {
			return nil, &bucket.Error{Kind: bucket.ErrChanged, Status: http.StatusNotFound}
		}
		return nil, err
	}
	size := bucket.SizeOf(answer.Header.Get("Content-Range"))
	return &bucket.Body{ReadCloser: answer.Body, ETag: answer.Header.Get("X-Goog-Generation"), Size: size}, nil
}

// Head implements bucket.Bucket.
func (b *Bucket) Head(ctx context.Context, key string) (bucket.Object, error) {
	found, header := object{}, http.Header{}
	err := b.call(ctx, request{method: http.MethodGet, url: b.objectURL(key), answer: &found, answered: &header})
	if err != nil {
		return bucket.Object{}, err
	}
	o := found.asObject()
	o.Now, _ = http.ParseTime(header.Get("Date")) // a proxy may drop it: then locks are not taken over
	return o, nil
}

// List implements bucket.Bucket.
func (b *Bucket) List(ctx context.Context, r bucket.ListRequest) (bucket.Page, error) {
	query := url.Values{"prefix": {r.Prefix}, "fields": {"nextPageToken,prefixes,items(name,size,generation,updated)"}}
	if r.Folders {
		query.Set("delimiter", "/")
	}
	if r.Next != "" {
		query.Set("pageToken", r.Next)
	}
	if r.Max > 0 {
		query.Set("maxResults", strconv.Itoa(r.Max))
	}
	answer := struct {
		Next     string   `json:"nextPageToken"`
		Prefixes []string `json:"prefixes"`
		Items    []object `json:"items"`
	}{}
	err := b.call(ctx, request{method: http.MethodGet, url: b.base + "/storage/v1/b/" + url.PathEscape(b.name) + "/o?" + query.Encode(), answer: &answer})
	if err != nil {
		return bucket.Page{}, conditional(err, bucket.Condition{})
	}
	page := bucket.Page{Prefixes: answer.Prefixes, Next: answer.Next}
	for _, item := range answer.Items {
		page.Objects = append(page.Objects, item.asObject())
	}
	return page, nil
}

// Delete implements bucket.Bucket.
func (b *Bucket) Delete(ctx context.Context, keys ...string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(deleteCalls)
	for _, key := range keys {
		group.Go(func() error {
			err := b.call(ctx, request{method: http.MethodDelete, url: b.objectURL(key)})
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		})
	}
	return group.Wait()
}

// Copy implements bucket.Bucket. Large copies are several calls, each of which goes on
// where the last one ended.
func (b *Bucket) Copy(ctx context.Context, from bucket.Object, to string, only bucket.Condition) error {
	query := generation(url.Values{}, only)
	if from.ETag != "" {
		query.Set("sourceGeneration", from.ETag)
	}
	address := b.objectURL(from.Key) + "/rewriteTo/b/" + url.PathEscape(b.name) + "/o/" + url.PathEscape(to)
	for {
		answer := struct {
			Done  bool   `json:"done"`
			Token string `json:"rewriteToken"`
		}{}
		err := b.call(ctx, request{method: http.MethodPost, url: address + "?" + query.Encode(), answer: &answer})
		switch {
		case err != nil && from.ETag != "" && errors.Is(err, fs.ErrNotExist):
			return &bucket.Error{Kind: bucket.ErrChanged, Status: http.StatusNotFound}
		case err != nil && only.Absent && errors.Is(err, bucket.ErrChanged):
			return conditional(err, only)
		case err != nil || answer.Done:
			return err
		}
		query.Set("rewriteToken", answer.Token)
	}
}
