package files

import (
	"testing"

	"tfos/internal/files/parquet"
)

// TestGroupBytes: the open row groups of all files together have at most
// openGroupBytes. Below minGroupBytes a row group is not worth its footer.
func TestGroupBytes(t *testing.T) {
	for open, want := range map[int64]int64{0: parquet.RowGroupBytes, 1: parquet.RowGroupBytes, 8: parquet.RowGroupBytes, 16: 32 << 20, 512: 1 << 20, 10_000: minGroupBytes} {
		var c conversion
		c.openedFiles.Store(open)
		if got := c.groupBytes(); got != want {
			t.Errorf("%d open files: row groups of %d bytes, want %d", open, got, want)
		}
	}
}
