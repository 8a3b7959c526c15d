package files_test

import (
	"fmt"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"tfos/internal/files/filestest"
	"tfos/internal/store"
	"tfos/internal/store/storetest"
)

// answer is what reading a file in splits gives: records, or an error without the file's path.
type answer struct {
	records []arrow.Record
	failure string
}

func (a answer) release() {
	for _, r := range a.records {
		r.Release()
	}
}

func ask(t *testing.T, s filestest.Sample, at string, split int64) (a answer) {
	t.Helper()
	records, err := s.Read(t.Context(), at, split, s.Options)
	if err != nil {
		return answer{failure: strings.ReplaceAll(err.Error(), at, "PATH")}
	}
	return answer{records: records}
}

// TestOnStores: the files of the suite, whole and damaged, are read from a real server of each
// store as from the local file system: the same records, cut alike, and the same errors.
func TestOnStores(t *testing.T) {
	hdfs := storetest.Address(t, "TFOS_TEST_HDFS")
	t.Setenv("AZURE_STORAGE_CONNECTION_STRING", storetest.AzureConnection(storetest.Azure(t)))
	store.Configure(storetest.Settings(storetest.S3(t), storetest.GCS(t)))
	t.Cleanup(func() { store.Configure(nil) })
	samples := filestest.Samples(t, t.TempDir())
	for name, root := range map[string]string{
		"s3": storetest.S3Root, "gcs": storetest.GCSRoot, "azure": storetest.AzureRoot, "hdfs": hdfs,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := fmt.Sprintf("%s/files-%d", root, os.Getpid())
			s, err := store.For(folder)
			if err == nil {
				err = s.Mkdir(t.Context(), folder)
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range samples {
				remote := folder + "/" + path.Base(one.Path)
				content, err := os.ReadFile(one.Path)
				if err == nil {
					err = store.WriteFile(t.Context(), s, remote, content)
				}
				if err != nil {
					t.Fatal(err)
				}
				for _, split := range []int64{0, 1 + int64(len(content))/3} {
					sameAnswer(t, fmt.Sprintf("%s in splits of %d bytes", path.Base(one.Path), split), ask(t, one, remote, split), ask(t, one, one.Path, split))
				}
			}
		})
	}
}

func sameAnswer(t *testing.T, what string, got, want answer) {
	t.Helper()
	defer got.release()
	defer want.release()
	if got.failure != want.failure || len(got.records) != len(want.records) {
		t.Errorf("%s: %d records, error %q; of the local file %d, %q", what, len(got.records), got.failure, len(want.records), want.failure)
		return
	}
	for i, r := range want.records {
		if !sameRecord(got.records[i], r) {
			t.Errorf("%s: record %d is\n%.300v, of the local file\n%.300v", what, i, got.records[i], r)
		}
	}
}

func sameRecord(a, b arrow.Record) bool {
	if !a.Schema().Equal(b.Schema()) || a.NumRows() != b.NumRows() {
		return false
	}
	for i, column := range a.Columns() {
		if !array.Equal(column, b.Column(i)) {
			return false
		}
	}
	return true
}
