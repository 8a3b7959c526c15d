package codec

import (
	"context"

	"tfos/internal/store"
)

// RowCounter is a codec whose files say how many rows they have.
type RowCounter interface {
	CountRows(ctx context.Context, file store.Info) (int64, error)
}
