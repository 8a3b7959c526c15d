package store

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

// testBucket is the bucket of the tests on each server. They make it if it is absent.
const testBucket = "tfos"

// makeBucket asks a test server for testBucket. A server that has it refuses, and so may
// one that wants a signature: then the bucket must be there.
func makeBucket(t testing.TB, method, url, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
}

// remoteServer returns the address of a server that scripts/stores.sh has started. Without one
// the test is skipped, unless TFOS_REQUIRE names the stores.
func remoteServer(t testing.TB, variable string) string {
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

// testSettings are the settings of the three servers. Azure's address is in the
// environment.
func testSettings(address string) Settings {
	return Settings{
		"fs.s3a.endpoint": address, "fs.s3a.path.style.access": "true",
		"fs.s3a.access.key": "test-access", "fs.s3a.secret.key": "test-secret",
		"fs.gs.storage.root.url": address, "fs.gs.auth.type": "UNAUTHENTICATED",
		"fs.azure.account.key.devstoreaccount1.dfs.core.windows.net": azuriteKey,
	}
}

// azuriteKey is the public key of the emulator's account.
const azuriteKey = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

// Roots of testBucket.
const (
	s3Root    = "s3://" + testBucket
	s3aRoot   = "s3a://" + testBucket
	gcsRoot   = "gs://" + testBucket
	azureRoot = "abfs://" + testBucket + "@devstoreaccount1.dfs.core.windows.net"
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
	if err := os.Setenv(variable, "AccountName=devstoreaccount1;BlobEndpoint="+address+"/devstoreaccount1"); err != nil {
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

// s3Server returns the address of a server that has testBucket.
func s3Server(t testing.TB) string {
	t.Helper()
	address := remoteServer(t, "TFOS_TEST_S3")
	makeBucket(t, http.MethodPut, address+"/"+testBucket, "")
	return address
}

func gcsServer(t testing.TB) string {
	t.Helper()
	address := remoteServer(t, "TFOS_TEST_GCS")
	makeBucket(t, http.MethodPost, address+"/storage/v1/b", `{"name":"`+testBucket+`"}`)
	return address
}

func azureServer(t testing.TB) string {
	t.Helper()
	address := remoteServer(t, "TFOS_TEST_AZURE")
	key, err := container.NewSharedKeyCredential("devstoreaccount1", azuriteKey)
	if err != nil {
		t.Fatal(err)
	}
	client, err := container.NewClientWithSharedKeyCredential(address+"/devstoreaccount1/"+testBucket, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Create(t.Context(), nil); err != nil && !bloberror.HasCode(err, bloberror.ContainerAlreadyExists) {
		t.Fatal(err)
	}
	return address
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
