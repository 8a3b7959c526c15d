package storetest

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

// Bucket is the bucket of the tests on each server. They make it if it is absent.
const Bucket = "tfos"

// Roots of Bucket. That of HDFS is its address: Address(t, "TFOS_TEST_HDFS").
const (
	S3Root    = "s3://" + Bucket
	GCSRoot   = "gs://" + Bucket
	AzureRoot = "abfs://" + Bucket + "@devstoreaccount1.dfs.core.windows.net"
)

// makeBucket asks a test server for Bucket. A server that has it refuses, and so may
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

// Address returns the address of a server that scripts/stores.sh has started. Without one
// the test is skipped, unless TFOS_REQUIRE names the stores.
func Address(t testing.TB, variable string) string {
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

// AzureKey is the public key of the emulator's account.
const AzureKey = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

// Settings are the settings of an S3 and a GCS server at their addresses, and of Azure's
// account. Azure's address is in the environment: see AzureConnection.
func Settings(s3, gcs string) map[string]string {
	return map[string]string{
		"fs.s3a.endpoint": s3, "fs.s3a.path.style.access": "true",
		"fs.s3a.access.key": "test-access", "fs.s3a.secret.key": "test-secret",
		"fs.gs.storage.root.url": gcs, "fs.gs.auth.type": "UNAUTHENTICATED",
		"fs.azure.account.key.devstoreaccount1.dfs.core.windows.net": AzureKey,
	}
}

// AzureConnection is the AZURE_STORAGE_CONNECTION_STRING of a server at an address.
func AzureConnection(address string) string {
	return "AccountName=devstoreaccount1;BlobEndpoint=" + address + "/devstoreaccount1"
}

// S3 returns the address of a server that has Bucket.
func S3(t testing.TB) string {
	t.Helper()
	address := Address(t, "TFOS_TEST_S3")
	makeBucket(t, http.MethodPut, address+"/"+Bucket, "")
	return address
}

// GCS returns the address of a server that has Bucket.
func GCS(t testing.TB) string {
	t.Helper()
	address := Address(t, "TFOS_TEST_GCS")
	makeBucket(t, http.MethodPost, address+"/storage/v1/b", `{"name":"`+Bucket+`"}`)
	return address
}

// Azure returns the address of a server that has Bucket.
func Azure(t testing.TB) string {
	t.Helper()
	address := Address(t, "TFOS_TEST_AZURE")
	key, err := container.NewSharedKeyCredential("devstoreaccount1", AzureKey)
	if err != nil {
		t.Fatal(err)
	}
	client, err := container.NewClientWithSharedKeyCredential(address+"/devstoreaccount1/"+Bucket, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Create(t.Context(), nil); err != nil && !bloberror.HasCode(err, bloberror.ContainerAlreadyExists) {
		t.Fatal(err)
	}
	return address
}
