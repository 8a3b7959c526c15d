package azure

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"golang.org/x/sync/errgroup"

	"tfos/internal/store/bucket"
)

const (
	deleteCalls = 32 // objects that are deleted at the same time
	copyPause   = 200 * time.Millisecond
)

// Bucket is a container of Azure Blob Storage.
type Bucket struct{ client *container.Client }

// Limits implements bucket.Bucket.
func (b *Bucket) Limits() bucket.Limits { return bucket.Limits{Parallel: 4, Copies: 64} }

// folderName is the metadata of a marker.
const folderName = "hdi_isfolder"

// isMarker reports whether metadata are those of a marker. HTTP changes the case of names.
func isMarker(metadata map[string]*string) bool {
	for name, value := range metadata {
		if strings.EqualFold(name, folderName) && value != nil && strings.EqualFold(*value, "true") {
			return true
		}
	}
	return false
}

// condition is the SDK's form of a condition.
func condition(only bucket.Condition) *blob.AccessConditions {
	if only == (bucket.Condition{}) {
		return nil
	}
	modified := &blob.ModifiedAccessConditions{}
	if only.Absent {
		modified.IfNoneMatch = to.Ptr(azcore.ETagAny)
	}
	if only.ETag != "" {
		modified.IfMatch = to.Ptr(azcore.ETag(only.ETag))
	}
	return &blob.AccessConditions{ModifiedAccessConditions: modified}
}

func etagOf(tag *azcore.ETag) string {
	if tag == nil {
		return ""
	}
	return string(*tag)
}

// value returns what a pointer of the SDK points to, or the zero value.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// body is a request's body.
type body struct{ *bytes.Reader }

func (body) Close() error { return nil }

// Put implements bucket.Bucket.
func (b *Bucket) Put(ctx context.Context, key string, data []byte, only bucket.Condition) (string, error) {
	options := &blockblob.UploadOptions{AccessConditions: condition(only)}
	if strings.HasSuffix(key, "/") {
		options.Metadata = map[string]*string{folderName: to.Ptr("true")}
	}
	out, err := b.client.NewBlockBlobClient(strings.TrimSuffix(key, "/")).Upload(ctx, body{bytes.NewReader(data)}, options)
	if err != nil {
		return "", conditional(translate(err), only)
	}
	return etagOf(out.ETag), nil
}

// conditional gives the error of a write its kind.
func conditional(err error, only bucket.Condition) error {
	var e *bucket.Error
	if errors.As(err, &e) && only.Absent && errors.Is(e.Kind, bucket.ErrChanged) {
		e.Kind = fs.ErrExist
	}
	return err
}

// Get implements bucket.Bucket.
func (b *Bucket) Get(ctx context.Context, key string, r bucket.Range) (*bucket.Body, error) {
	options := &blob.DownloadStreamOptions{AccessConditions: condition(bucket.Condition{ETag: r.ETag})}
	options.Range.Offset = r.Offset
	if r.Length > 0 {
		options.Range.Count = r.Length
	}
	out, err := b.client.NewBlobClient(key).DownloadStream(ctx, options)
	if err != nil {
		return nil, translate(err)
	}
	if isMarker(out.Metadata) {
		return nil, errors.Join(&bucket.Error{Kind: fs.ErrNotExist, Message: "it is a folder"}, out.Body.Close())
	}
	return &bucket.Body{ReadCloser: out.Body, ETag: etagOf(out.ETag), Size: bucket.SizeOf(value(out.ContentRange))}, nil
}

// Head implements bucket.Bucket.
func (b *Bucket) Head(ctx context.Context, key string) (bucket.Object, error) {
	out, err := b.client.NewBlobClient(strings.TrimSuffix(key, "/")).GetProperties(ctx, nil)
	if err != nil {
		return bucket.Object{}, translate(err)
	}
	if isMarker(out.Metadata) != strings.HasSuffix(key, "/") {
		return bucket.Object{}, &bucket.Error{Kind: fs.ErrNotExist}
	}
	return bucket.Object{Key: key, Size: value(out.ContentLength), Modified: value(out.LastModified), ETag: etagOf(out.ETag), Now: value(out.Date)}, nil
}

// Delete implements bucket.Bucket. An account with real folders does not delete a folder
// that has files: that stays.
func (b *Bucket) Delete(ctx context.Context, keys ...string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(deleteCalls)
	for _, key := range keys {
		group.Go(func() error {
			_, err := b.client.NewBlobClient(strings.TrimSuffix(key, "/")).Delete(ctx, nil)
			err = translate(err)
			var e *bucket.Error
			if errors.Is(err, fs.ErrNotExist) || errors.As(err, &e) && e.Code == "DirectoryIsNotEmpty" {
				return nil
			}
			return err
		})
	}
	return group.Wait()
}

// Copy implements bucket.Bucket. The store copies by itself; Copy waits for it.
func (b *Bucket) Copy(ctx context.Context, from bucket.Object, to string, only bucket.Condition) error {
	options := &blob.StartCopyFromURLOptions{AccessConditions: condition(only)}
	if from.ETag != "" {
		tag := azcore.ETag(from.ETag)
		options.SourceModifiedAccessConditions = &blob.SourceModifiedAccessConditions{SourceIfMatch: &tag}
	}
	target := b.client.NewBlobClient(to)
	out, err := target.StartCopyFromURL(ctx, b.client.NewBlobClient(from.Key).URL(), options)
	if err != nil {
		err = translate(err)
		var e *bucket.Error
		if errors.As(err, &e) && e.Code == sourceChanged {
			return err
		}
		return conditional(err, only)
	}
	for status := value(out.CopyStatus); ; {
		switch status {
		case blob.CopyStatusTypeSuccess:
			return nil
		case blob.CopyStatusTypePending:
		default:
			return &bucket.Error{Again: true, Message: "the store gave up the copy: " + string(status)}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(copyPause):
		}
		there, err := target.GetProperties(ctx, nil)
		if err != nil {
			return translate(err)
		}
		status = value(there.CopyStatus)
	}
}
