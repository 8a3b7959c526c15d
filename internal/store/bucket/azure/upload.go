package azure

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"tfos/internal/store/bucket"
)

// upload is the blocks of an object. Nobody sees them before Complete. Blocks that are
// never completed are deleted by the store after a week.
type upload struct {
	client *blockblob.Client
	name   string // is in the ids of our blocks

	mu    sync.Mutex
	parts int
}

// Upload implements bucket.Bucket. It makes no call.
func (b *Bucket) Upload(_ context.Context, key string) (bucket.Upload, error) {
	return &upload{client: b.client.NewBlockBlobClient(key), name: rand.Text()}, nil
}

// id is a block's name. All have the same length.
func (u *upload) id(number int) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s-%06d", u.name, number))
}

// Part implements bucket.Upload.
func (u *upload) Part(ctx context.Context, number int, data []byte) error {
	if _, err := u.client.StageBlock(ctx, u.id(number), body{bytes.NewReader(data)}, nil); err != nil {
		return translate(err)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.parts = max(u.parts, number+1)
	return nil
}

// CopyPart implements bucket.Upload: the store would need a signature for the source.
func (u *upload) CopyPart(context.Context, int, bucket.Object, int64, int64) error {
	return errors.ErrUnsupported
}

// Complete implements bucket.Upload. A repeated call finds the blocks in the object.
func (u *upload) Complete(ctx context.Context) error {
	ids := make([]string, u.parts)
	for i := range ids {
		ids[i] = u.id(i)
	}
	_, err := u.client.CommitBlockList(ctx, ids, nil)
	return translate(err)
}

// Abort implements bucket.Upload. The store deletes the blocks.
func (u *upload) Abort(context.Context) error { return nil }
