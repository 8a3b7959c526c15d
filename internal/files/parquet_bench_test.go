package files_test

import (
	"errors"
	"io"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"tfos/internal/files"
	"tfos/internal/hadoop"
	"tfos/internal/store"
)

// BenchmarkParquetRead reads the file, folder or glob TFOS_BENCH_PARQUET with
// TFOS_BENCH_THREADS readers (1), one split per row group, and reports rows/s. Stores
// have the configuration of HADOOP_CONF_DIR.
func BenchmarkParquetRead(b *testing.B) {
	path := os.Getenv("TFOS_BENCH_PARQUET")
	if path == "" {
		b.Skip("SKIPPED, nothing was measured: set TFOS_BENCH_PARQUET to a parquet file, and TFOS_BENCH_THREADS")
	}
	threads := 1
	if text := os.Getenv("TFOS_BENCH_THREADS"); text != "" {
		var err error
		if threads, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	configuration, err := hadoop.Load(os.Getenv, nil)
	if err != nil {
		b.Fatal(err)
	}
	store.Configure(configuration.Stores())
	d, err := files.Open(b.Context(), files.Parquet, path, files.ReadOptions{})
	if err != nil {
		b.Fatal(err)
	}
	splits, err := d.Splits(b.Context(), 1<<20)
	if err != nil {
		b.Fatal(err)
	}
	var rows atomic.Int64
	start := time.Now()
	for b.Loop() {
		group, ctx := errgroup.WithContext(b.Context())
		group.SetLimit(threads)
		for _, s := range splits {
			group.Go(func() error {
				r, err := d.Read(ctx, s)
				if err != nil {
					return err
				}
				for {
					record, err := r.Next()
					if err == io.EOF {
						return r.Close()
					}
					if err != nil {
						return errors.Join(err, r.Close())
					}
					rows.Add(record.NumRows())
					record.Release()
				}
			})
		}
		if err := group.Wait(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(rows.Load())/time.Since(start).Seconds(), "rows/s")
}
