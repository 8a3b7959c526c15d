package infer

import (
	"context"
	"errors"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/model"
	"tfos/internal/store"
)

// Everything taken from the allocator is given back, however a split ends.
func TestArrowMemoryIsReleased(t *testing.T) {
	dir := t.TempDir()
	path := inputFile(t, dir, "a", 0, 300, 200)
	for name, tt := range map[string]struct {
		bad    int64
		cancel bool
	}{"done": {bad: -1}, "row does not fit": {bad: 400}, "cancelled": {bad: -1, cancel: true}} {
		t.Run(name, func(t *testing.T) {
			mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
			defer mem.AssertSize(t, 0)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			req := request(t, path)
			r, err := newSplitsRun(ctx, &req, mem, func(_, rows, _ int64) {
				if tt.cancel && rows > 100 {
					cancel()
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			r.model = &doubler{bad: tt.bad}
			err = r.predictSplits(ctx)
			var row *model.RowError
			if tt.cancel != errors.Is(err, context.Canceled) || (tt.bad >= 0) != errors.As(err, &row) {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

var errDiskFull = errors.New("no space left on device")

// fullDisk is a file that takes some bytes.
type fullDisk struct {
	room    int
	aborted bool
}

func (f *fullDisk) Write(p []byte) (int, error) {
	if len(p) > f.room {
		return 0, errDiskFull
	}
	f.room -= len(p)
	return len(p), nil
}

func (f *fullDisk) Commit() error { return nil }

func (f *fullDisk) Abort() error {
	f.aborted = true
	return nil
}

func TestFullDiskIsCode7(t *testing.T) {
	path := inputFile(t, t.TempDir(), "a", 0, 300)
	for _, room := range []int{0, 1000} {
		req := request(t, path)
		r, err := newSplitsRun(t.Context(), &req, memory.DefaultAllocator, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.model = &doubler{bad: -1}
		disk := &fullDisk{room: room}
		r.create = func(context.Context, string) (store.File, error) { return disk, nil }
		err = r.predictSplits(t.Context())
		if !errors.Is(err, errDiskFull) || ExitCode(err) != 7 || !disk.aborted {
			t.Errorf("room for %d bytes: %v (code %d), aborted %v", room, err, ExitCode(err), disk.aborted)
		}
	}
}
