package store

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
)

// testBucket is the bucket that scripts/stores.sh has made on each server.
const testBucket = "tfos"

// remoteServer returns the address of a server that scripts/stores.sh has started. Without one
// the test is skipped, unless TFOS_REQUIRE names the stores.
func remoteServer(t *testing.T, variable string) string {
	t.Helper()
	address := os.Getenv(variable)
	switch {
	case address != "":
	case strings.Contains(os.Getenv("TFOS_REQUIRE"), "stores"):
		t.Fatalf("%s is not set: run make test-stores", variable)
	default:
		t.Skipf("SKIPPED: %s is not set: run make test-stores", variable)
	}
	return address
}

// folders counts the folders that newFolder has made.
var folders atomic.Int64

// newFolder returns a maker of empty folders of a store.
func newFolder(s Store, root string) func(t *testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		folder := fmt.Sprintf("%s/test-%d-%d", root, os.Getpid(), folders.Add(1))
		if err := s.Mkdir(t.Context(), folder); err != nil {
			t.Fatal(err)
		}
		return folder
	}
}

// s3Settings are the settings of a server with S3's protocol.
func s3Settings(address string) Settings {
	return Settings{
		"fs.s3a.endpoint": address, "fs.s3a.path.style.access": "true",
		"fs.s3a.access.key": "test-access", "fs.s3a.secret.key": "test-secret",
	}
}

func TestS3(t *testing.T) {
	settings := s3Settings(remoteServer(t, "TFOS_TEST_S3"))
	for _, root := range []string{"s3://" + testBucket, "s3a://" + testBucket} {
		s, err := openS3(root, settings)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(root, func(t *testing.T) { conformance(t, s, newFolder(s, root)) })
	}
}

func TestGCS(t *testing.T) {
	root := "gs://" + testBucket
	s, err := openGCS(root, Settings{"fs.gs.storage.root.url": remoteServer(t, "TFOS_TEST_GCS"), "fs.gs.auth.type": "UNAUTHENTICATED"})
	if err != nil {
		t.Fatal(err)
	}
	conformance(t, s, newFolder(s, root))
}
