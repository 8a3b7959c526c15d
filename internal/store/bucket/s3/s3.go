package s3

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"tfos/internal/store/bucket"
)

// Limits of S3.
const (
	minPart     = 5 << 20
	maxCopy     = 5 << 30 // bytes of CopyObject and UploadPartCopy
	deleteKeys  = 1000    // keys of one DeleteObjects
	deleteCalls = 8
)

// Bucket is a bucket of S3.
type Bucket struct {
	client    *sdk.Client
	name      string
	encrypted encryption
}

// Limits implements bucket.Bucket.
func (b *Bucket) Limits() bucket.Limits {
	return bucket.Limits{MinPart: minPart, MaxCopyPart: maxCopy, Parallel: 4, Copies: 64}
}

// Put implements bucket.Bucket.
func (b *Bucket) Put(ctx context.Context, key string, data []byte, only bucket.Condition) (string, error) {
	in := &sdk.PutObjectInput{Bucket: &b.name, Key: &key, Body: bytes.NewReader(data), ContentLength: aws.Int64(int64(len(data))),
		ServerSideEncryption: b.encrypted.algorithm, SSEKMSKeyId: b.encrypted.key}
	if only.Absent {
		in.IfNoneMatch = aws.String("*")
	}
	if only.ETag != "" {
		in.IfMatch = &only.ETag
	}
	out, err := b.client.PutObject(ctx, in)
	if err != nil {
		return "", conditional(translate(err), only)
	}
	return aws.ToString(out.ETag), nil
}

// conditional gives the error of a write its kind: S3 has one status for both conditions.
func conditional(err error, only bucket.Condition) error {
	var e *bucket.Error
	if !errors.As(err, &e) {
		return err
	}
	if only.Absent && errors.Is(e.Kind, bucket.ErrChanged) {
		e.Kind = fs.ErrExist
	}
	if only.ETag != "" && errors.Is(e.Kind, fs.ErrNotExist) {
		e.Kind = bucket.ErrChanged
	}
	return err
}

// Get implements bucket.Bucket.
func (b *Bucket) Get(ctx context.Context, key string, r bucket.Range) (*bucket.Body, error) {
	in := &sdk.GetObjectInput{Bucket: &b.name, Key: &key}
	switch {
	case r.Length >= 0:
		in.Range = aws.String("bytes=" + strconv.FormatInt(r.Offset, 10) + "-" + strconv.FormatInt(r.Offset+r.Length-1, 10))
	case r.Offset > 0:
		in.Range = aws.String("bytes=" + strconv.FormatInt(r.Offset, 10) + "-")
	}
	if r.ETag != "" {
		in.IfMatch = &r.ETag
	}
	out, err := b.client.GetObject(ctx, in)
	if err != nil {
		return nil, translate(err)
	}
	return &bucket.Body{ReadCloser: out.Body, ETag: aws.ToString(out.ETag)}, nil
}

// Head implements bucket.Bucket.
func (b *Bucket) Head(ctx context.Context, key string) (bucket.Object, error) {
	out, err := b.client.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: &b.name, Key: &key})
	if err != nil {
		return bucket.Object{}, b.explain(ctx, key, translate(err))
	}
	o := bucket.Object{Key: key, Size: aws.ToInt64(out.ContentLength), Modified: aws.ToTime(out.LastModified), ETag: aws.ToString(out.ETag)}
	o.Now, _ = middleware.GetServerTime(out.ResultMetadata)
	return o, nil
}

// explain finds the code of an error of HEAD, which has a status only: a GET has a text.
func (b *Bucket) explain(ctx context.Context, key string, err error) error {
	var e, with *bucket.Error
	if !errors.As(err, &e) || e.Status != http.StatusBadRequest && e.Status != http.StatusForbidden && e.Status != http.StatusMovedPermanently {
		return err
	}
	body, getErr := b.Get(ctx, key, bucket.Range{Length: 1})
	if getErr == nil {
		return errors.Join(err, body.Close())
	}
	if errors.As(getErr, &with) && with.Status == e.Status {
		return getErr
	}
	return err
}

// List implements bucket.Bucket.
func (b *Bucket) List(ctx context.Context, r bucket.ListRequest) (bucket.Page, error) {
	in := &sdk.ListObjectsV2Input{Bucket: &b.name, Prefix: &r.Prefix, EncodingType: types.EncodingTypeUrl}
	if r.Folders {
		in.Delimiter = aws.String("/")
	}
	if r.Next != "" {
		in.ContinuationToken = &r.Next
	}
	if r.Max > 0 {
		in.MaxKeys = aws.Int32(int32(r.Max))
	}
	out, err := b.client.ListObjectsV2(ctx, in)
	if err != nil {
		return bucket.Page{}, translate(err)
	}
	page := bucket.Page{}
	if aws.ToBool(out.IsTruncated) {
		page.Next = aws.ToString(out.NextContinuationToken)
	}
	decode := func(text *string) string {
		if out.EncodingType != types.EncodingTypeUrl {
			return aws.ToString(text)
		}
		name, err := url.QueryUnescape(aws.ToString(text))
		if err != nil {
			return aws.ToString(text)
		}
		return name
	}
	for _, o := range out.Contents {
		page.Objects = append(page.Objects, bucket.Object{Key: decode(o.Key), Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified), ETag: aws.ToString(o.ETag)})
	}
	for _, p := range out.CommonPrefixes {
		page.Prefixes = append(page.Prefixes, decode(p.Prefix))
	}
	return page, nil
}

// Delete implements bucket.Bucket.
func (b *Bucket) Delete(ctx context.Context, keys ...string) error {
	if len(keys) == 1 {
		_, err := b.client.DeleteObject(ctx, &sdk.DeleteObjectInput{Bucket: &b.name, Key: &keys[0]})
		if err = translate(err); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(deleteCalls)
	for len(keys) > 0 {
		some := keys[:min(deleteKeys, len(keys))]
		keys = keys[len(some):]
		group.Go(func() error { return b.deleteBatch(ctx, some) })
	}
	return group.Wait()
}

func (b *Bucket) deleteBatch(ctx context.Context, keys []string) error {
	batch := &types.Delete{Quiet: aws.Bool(true)}
	for i := range keys {
		batch.Objects = append(batch.Objects, types.ObjectIdentifier{Key: &keys[i]})
	}
	out, err := b.client.DeleteObjects(ctx, &sdk.DeleteObjectsInput{Bucket: &b.name, Delete: batch})
	if err != nil {
		return translate(err)
	}
	for _, failed := range out.Errors {
		if code := aws.ToString(failed.Code); code != "NoSuchKey" {
			return fromCode(0, nil, code, aws.ToString(failed.Message))
		}
	}
	return nil
}

// Copy implements bucket.Bucket. Objects of more than 5 GiB are copied in parts. Of
// these a condition is checked at the end.
func (b *Bucket) Copy(ctx context.Context, from bucket.Object, to string, only bucket.Condition) error {
	if from.Size > maxCopy {
		return b.copyParts(ctx, from, to, only)
	}
	in := &sdk.CopyObjectInput{Bucket: &b.name, Key: &to, CopySource: b.source(from.Key), ServerSideEncryption: b.encrypted.algorithm, SSEKMSKeyId: b.encrypted.key}
	if from.ETag != "" {
		in.CopySourceIfMatch = &from.ETag
	}
	if only.Absent {
		in.IfNoneMatch = aws.String("*")
	}
	_, err := b.client.CopyObject(ctx, in)
	err = translate(err)
	if only.Absent && errors.Is(err, bucket.ErrChanged) {
		// One status for both conditions: the source's comes first in our callers.
		if _, headErr := b.Head(ctx, to); headErr == nil {
			return conditional(err, only)
		}
	}
	return err
}

// source is the header that names an object of this bucket.
func (b *Bucket) source(key string) *string {
	parts := strings.Split(key, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return aws.String(b.name + "/" + strings.ReplaceAll(strings.Join(parts, "/"), "+", "%2B"))
}
