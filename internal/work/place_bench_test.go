package work

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"golang.org/x/sync/errgroup"

	"tfos/internal/infer"
	"tfos/internal/reserve"
	"tfos/internal/store"
)

// BenchmarkCommit commits predictions of TFOS_BENCH_PARTS small parts on the server of each
// store, as a run does: from the last part to _SUCCESS. Writing the parts is not counted.
func BenchmarkCommit(b *testing.B) {
	parts, err := strconv.Atoi(os.Getenv("TFOS_BENCH_PARTS"))
	if err != nil {
		b.Skip("SKIPPED, nothing was measured: set TFOS_BENCH_PARTS to a number of files")
	}
	for _, kind := range []struct {
		name string
		root func(b *testing.B) string
	}{{"hdfs", benchHDFS}, {"s3", benchS3}, {"gcs", benchGCS}, {"azure", benchAzure}} {
		b.Run(kind.name, func(b *testing.B) {
			root := fmt.Sprintf("%s/bench-commit-%d", kind.root(b), os.Getpid())
			for round := 0; b.Loop(); round++ {
				b.StopTimer()
				commitParts(b, fmt.Sprintf("%s/out-%d", root, round), parts)
			}
		})
	}
}

// commitParts writes the parts of an output, and then commits them with the timer on.
func commitParts(b *testing.B, final string, parts int) {
	ctx := b.Context()
	s, err := store.For(final)
	if err != nil {
		b.Fatal(err)
	}
	o := Output{Kind: "predictions", Format: "parquet", Staging: final + ".staging", Final: final}
	cfg := Config{Config: reserve.Config{Run: "r1", LeaseMS: 10_000}, Outputs: []Output{o}}
	p, _, err := choosePlace(ctx, cfg, true)
	if err != nil {
		b.Fatal(err)
	}
	if p.stay() == store.Renames(s) {
		b.Fatalf("%s: parts are written in %s", final, p.folder())
	}
	m, err := writeParts(ctx, s, p, parts)
	if err != nil {
		b.Fatal(err)
	}
	b.StartTimer()
	begin := time.Now()
	if _, err := p.publish(ctx, m, false); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	b.Logf("%d parts: %s", parts, time.Since(begin))
	found, err := s.List(ctx, final)
	_, marked := s.Stat(ctx, final+"/_SUCCESS")
	if err != nil || marked != nil || len(found) != parts {
		b.Fatalf("%d files, %v, %v", len(found), err, marked)
	}
	if err := s.Remove(ctx, store.Dir(final)); err != nil {
		b.Fatal(err)
	}
	b.StartTimer()
}

// writeParts writes so many small parts.
func writeParts(ctx context.Context, s store.Store, p place, parts int) (m manifest, err error) {
	text := []byte("a part")
	if err := s.Mkdir(ctx, p.folder()); err != nil {
		return m, err
	}
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for id := range parts {
		name := infer.PartName(id, p.tag(), "parquet")
		m.Parts = append(m.Parts, infer.SplitResult{PartInfo: infer.PartInfo{ID: id, Bytes: int64(len(text))}, Output: name})
		group.Go(func() error { return store.WriteFile(inner, s, p.folder()+"/"+name, text) })
	}
	return m, group.Wait()
}

// benchServer returns the address of a server that scripts/stores.sh has started.
func benchServer(b *testing.B, variable string) string {
	b.Helper()
	address := strings.TrimSuffix(os.Getenv(variable), "/")
	if address == "" {
		b.Skipf("SKIPPED, nothing was measured: %s is not set", variable)
	}
	return address
}

func benchHDFS(b *testing.B) string { return benchServer(b, "TFOS_TEST_HDFS") + "/tfos" }

func benchS3(b *testing.B) string {
	address := benchServer(b, "TFOS_TEST_S3")
	makeBucket(b, http.MethodPut, address+"/tfos", "")
	store.Configure(store.Settings{
		"fs.s3a.endpoint": address, "fs.s3a.path.style.access": "true", "fs.s3a.access.key": "a", "fs.s3a.secret.key": "s",
	})
	return "s3://tfos"
}

func benchGCS(b *testing.B) string {
	address := benchServer(b, "TFOS_TEST_GCS")
	makeBucket(b, http.MethodPost, address+"/storage/v1/b", `{"name":"tfos"}`)
	store.Configure(store.Settings{"fs.gs.storage.root.url": address, "fs.gs.auth.type": "UNAUTHENTICATED"})
	return "gs://tfos"
}

func benchAzure(b *testing.B) string {
	const account, key = "devstoreaccount1", "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
	address := benchServer(b, "TFOS_TEST_AZURE") + "/" + account
	shared, err := container.NewSharedKeyCredential(account, key)
	if err != nil {
		b.Fatal(err)
	}
	client, err := container.NewClientWithSharedKeyCredential(address+"/tfos", shared, nil)
	if err != nil {
		b.Fatal(err)
	}
	_, _ = client.Create(b.Context(), nil) // it may be there
	b.Setenv("AZURE_STORAGE_CONNECTION_STRING", "AccountName="+account+";BlobEndpoint="+address)
	store.Configure(store.Settings{"fs.azure.account.key." + account + ".dfs.core.windows.net": key})
	return "abfs://tfos@" + account + ".dfs.core.windows.net"
}

// makeBucket asks a test server for a bucket, which it may have.
func makeBucket(b *testing.B, method, url, body string) {
	b.Helper()
	request, err := http.NewRequestWithContext(b.Context(), method, url, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	_ = answer.Body.Close()
}
