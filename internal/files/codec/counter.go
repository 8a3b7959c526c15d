package codec

import (
	"context"

	"tfos/internal/store"
)

// RowCounter is a Codec whose files store their number of rows.
type RowCounter interface {
	CountRows(ctx context.Context, file store.Info) (int64, error)
}
