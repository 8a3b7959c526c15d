package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"tfos/internal/store/bucket"
)

// uploadName is the metadata by which Complete knows an object that it made.
const uploadName = "tfos-upload"

// upload is a multipart upload.
type upload struct {
	b        *Bucket
	key      string
	id, name string // the store's, ours
	absent   bool

	mu    sync.Mutex
	parts []types.CompletedPart // by number
}

// Upload implements bucket.Bucket.
func (b *Bucket) Upload(ctx context.Context, key string) (bucket.Upload, error) {
	return b.upload(ctx, key)
}

func (b *Bucket) upload(ctx context.Context, key string) (*upload, error) {
	u := &upload{b: b, key: key, name: rand.Text()}
	out, err := b.client.CreateMultipartUpload(ctx, &sdk.CreateMultipartUploadInput{
		Bucket: &b.name, Key: &key, Metadata: map[string]string{uploadName: u.name},
		ServerSideEncryption: b.encrypted.algorithm, SSEKMSKeyId: b.encrypted.key,
	})
	if err != nil {
		return nil, translate(err)
	}
	u.id = aws.ToString(out.UploadId)
	return u, nil
}

// Part implements bucket.Upload.
func (u *upload) Part(ctx context.Context, number int, data []byte) error {
	out, err := u.b.client.UploadPart(ctx, &sdk.UploadPartInput{
		Bucket: &u.b.name, Key: &u.key, UploadId: &u.id, PartNumber: aws.Int32(int32(number + 1)),
		Body: bytes.NewReader(data), ContentLength: aws.Int64(int64(len(data))),
	})
	if err != nil {
		return translate(err)
	}
	u.setPart(number, out.ETag)
	return nil
}

// CopyPart implements bucket.Upload.
func (u *upload) CopyPart(ctx context.Context, number int, from bucket.Object, offset, size int64) error {
	in := &sdk.UploadPartCopyInput{
		Bucket: &u.b.name, Key: &u.key, UploadId: &u.id, PartNumber: aws.Int32(int32(number + 1)),
		CopySource: u.b.source(from.Key), CopySourceRange: bytesRange(offset, size),
	}
	if from.ETag != "" {
		in.CopySourceIfMatch = &from.ETag
	}
	out, err := u.b.client.UploadPartCopy(ctx, in)
	if err != nil {
		return translate(err)
	}
	u.setPart(number, out.CopyPartResult.ETag)
	return nil
}

func (u *upload) setPart(number int, etag *string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for len(u.parts) <= number {
		u.parts = append(u.parts, types.CompletedPart{})
	}
	u.parts[number] = types.CompletedPart{ETag: etag, PartNumber: aws.Int32(int32(number + 1))}
}

// Complete implements bucket.Upload. A call whose answer was lost leaves an object with
// our name in its metadata.
func (u *upload) Complete(ctx context.Context) error {
	in := &sdk.CompleteMultipartUploadInput{
		Bucket: &u.b.name, Key: &u.key, UploadId: &u.id, MultipartUpload: &types.CompletedMultipartUpload{Parts: u.parts},
	}
	if u.absent {
		in.IfNoneMatch = aws.String("*")
	}
	_, err := u.b.client.CompleteMultipartUpload(ctx, in)
	if err = translate(err); err == nil {
		return nil
	}
	var e *bucket.Error
	if errors.As(err, &e) && e.Code == noSuchUpload {
		out, headErr := u.b.client.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: &u.b.name, Key: &u.key})
		if headErr == nil && out.Metadata[uploadName] == u.name {
			return nil
		}
	}
	return conditional(err, bucket.Condition{Absent: u.absent})
}

// Abort implements bucket.Upload.
func (u *upload) Abort(ctx context.Context) error {
	_, err := u.b.client.AbortMultipartUpload(ctx, &sdk.AbortMultipartUploadInput{Bucket: &u.b.name, Key: &u.key, UploadId: &u.id})
	err = translate(err)
	var e *bucket.Error
	if errors.As(err, &e) && e.Code == noSuchUpload {
		return nil
	}
	return err
}

// copyParts copies an object of more than 5 GiB.
func (b *Bucket) copyParts(ctx context.Context, from bucket.Object, to string, only bucket.Condition) error {
	u, err := b.upload(ctx, to)
	if err != nil {
		return err
	}
	u.absent = only.Absent
	for number := 0; err == nil && int64(number)*copiedPart < from.Size; number++ {
		offset := int64(number) * copiedPart
		err = u.CopyPart(ctx, number, from, offset, min(copiedPart, from.Size-offset))
	}
	if err == nil {
		err = u.Complete(ctx)
	}
	if err != nil {
		return errors.Join(err, u.Abort(context.WithoutCancel(ctx)))
	}
	return nil
}

// copiedPart are the bytes of a part of copyParts. A last part may have fewer.
const copiedPart = 1 << 30
