package store

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"tfos/internal/store/storetest"
)

// Real servers, and the bucket of the tests on each.
const (
	testBucket = storetest.Bucket
	azuriteKey = storetest.AzureKey
)

var remoteServer, s3Server, gcsServer, azureServer = storetest.Address, storetest.S3, storetest.GCS, storetest.Azure

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

// testSettings are the settings of the three servers. Azure's address is in the
// environment.
func testSettings(address string) Settings {
	return storetest.Settings(address, address)
}

// Roots of testBucket.
const (
	s3Root    = storetest.S3Root
	s3aRoot   = "s3a://" + testBucket
	gcsRoot   = storetest.GCSRoot
	azureRoot = storetest.AzureRoot
)

// azureAddress is held while the environment has the address of one test's server: tests run
// in parallel.
var azureAddress sync.Mutex

// openBucket opens a bucket through an address: the server's, or a proxy's.
func openBucket(t testing.TB, root, address string) *Objects {
	t.Helper()
	azureAddress.Lock()
	defer azureAddress.Unlock()
	const variable = "AZURE_STORAGE_CONNECTION_STRING"
	defer os.Setenv(variable, os.Getenv(variable))
	if err := os.Setenv(variable, storetest.AzureConnection(address)); err != nil {
		t.Fatal(err)
	}
	scheme, _, _ := strings.Cut(root, ":")
	s, _ := openTest(t, openers[scheme], root, testSettings(address))
	return s
}

func openTest(t testing.TB, open opener, root string, settings Settings) (*Objects, string) {
	t.Helper()
	s, err := open(root, settings)
	if err != nil {
		t.Fatal(err)
	}
	return s.(*Objects), root
}

func TestS3(t *testing.T)    { testObjects(t, s3Root, s3Server) }
func TestS3A(t *testing.T)   { testObjects(t, s3aRoot, s3Server) }
func TestGCS(t *testing.T)   { testObjects(t, gcsRoot, gcsServer) }
func TestAzure(t *testing.T) { testObjects(t, azureRoot, azureServer) }

func testObjects(t *testing.T, root string, server func(testing.TB) string) {
	t.Parallel()
	s := openBucket(t, root, server(t))
	conformance(t, s, newFolder(s, root))
}
