package files_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/files"
	"tfos/internal/files/codec"
	"tfos/internal/files/tfrecord"
	"tfos/internal/store"
)

// BenchmarkTFRecordRead reads the files of TFOS_BENCH_TFRECORD, a glob, with
// TFOS_BENCH_THREADS parallel readers (1), and reports rows/s. For a comparison
// with tf.data run:
//
//	TFOS_BENCH_TFRECORD='/data/*.tfrecord' TFOS_BENCH_THREADS=2 \
//	  go test -run - -bench TFRecordRead ./internal/files
func BenchmarkTFRecordRead(b *testing.B) {
	paths, err := filepath.Glob(os.Getenv("TFOS_BENCH_TFRECORD"))
	if err != nil || len(paths) == 0 {
		b.Skipf("SKIPPED: TFOS_BENCH_TFRECORD=%q names no files (%v)", os.Getenv("TFOS_BENCH_TFRECORD"), err)
	}
	threads := 1
	if s := os.Getenv("TFOS_BENCH_THREADS"); s != "" {
		if threads, err = strconv.Atoi(s); err != nil || threads < 1 {
			b.Fatalf("TFOS_BENCH_THREADS=%q is no number of threads", s)
		}
	}
	ctx := context.Background()
	infos := make([]store.Info, len(paths))
	for i, path := range paths {
		infos[i].Path = path
	}
	o := files.ReadOptions{BatchRows: 1000, Memory: memory.DefaultAllocator}
	schema, err := tfrecord.Codec{}.Schema(ctx, infos, o)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var rows int64
	for b.Loop() {
		work := make(chan string, len(paths))
		for _, path := range paths {
			work <- path
		}
		close(work)
		counts := make([]int64, threads)
		var wait sync.WaitGroup
		for i := range threads {
			wait.Go(func() {
				for path := range work {
					reader, err := tfrecord.Codec{}.Open(ctx, codec.WholeFile(path), schema, o)
					if err != nil {
						b.Error(err)
						return
					}
					for {
						record, err := reader.Next()
						if err == io.EOF {
							break
						}
						if err != nil {
							b.Error(err)
							return
						}
						counts[i] += record.NumRows()
						record.Release()
					}
					if err := reader.Close(); err != nil {
						b.Error(err)
					}
				}
			})
		}
		wait.Wait()
		for _, n := range counts {
			rows += n
		}
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}
