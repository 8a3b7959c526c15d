package store

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sync/errgroup"
)

// BenchmarkPublish publishes a folder of TFOS_BENCH_PARTS small files on the server of each
// store. Writing the files is not counted.
func BenchmarkPublish(b *testing.B) {
	parts, err := strconv.Atoi(os.Getenv("TFOS_BENCH_PARTS"))
	if err != nil {
		b.Skip("SKIPPED, nothing was measured: set TFOS_BENCH_PARTS to a number of files")
	}
	b.Run("hdfs", func(b *testing.B) {
		s, root := realHDFS(b)
		publishParts(b, s, root, parts)
	})
	for _, kind := range []struct {
		name, root string
		server     func(testing.TB) string
	}{{"s3", s3Root, s3Server}, {"gcs", gcsRoot, gcsServer}, {"azure", azureRoot, azureServer}} {
		b.Run(kind.name, func(b *testing.B) {
			publishParts(b, openBucket(b, kind.root, kind.server(b)), kind.root, parts)
		})
	}
}

func publishParts(b *testing.B, s Store, root string, parts int) {
	root = fmt.Sprintf("%s/bench-%d", root, os.Getpid())
	for round := 0; b.Loop(); round++ {
		b.StopTimer()
		staging, final := fmt.Sprintf("%s/.out-%d.staging", root, round), fmt.Sprintf("%s/out-%d", root, round)
		if err := writeParts(b.Context(), s, staging, parts); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if err := s.Publish(b.Context(), staging, final, false); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if found, err := s.List(b.Context(), final); err != nil || len(found) != parts {
			b.Fatalf("%d files were published, %v", len(found), err)
		}
		if err := s.Remove(b.Context(), root); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// writeParts writes so many small files and _SUCCESS.
func writeParts(ctx context.Context, s Store, folder string, parts int) error {
	if err := s.Mkdir(ctx, folder); err != nil {
		return err
	}
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for i := range parts {
		group.Go(func() error {
			return WriteFile(inner, s, fmt.Sprintf("%s/part-%05d.parquet", folder, i), []byte("a part"))
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return MarkSuccess(ctx, s, folder)
}
