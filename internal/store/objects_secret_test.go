package store

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestNoSecretInErrors plants secrets in settings and lets calls fail in every way: no
// error has one of them, as it is or in base64.
func TestNoSecretInErrors(t *testing.T) {
	const planted = "cGxhbnRlZC1zZWNyZXQtMTIzNDU2Nzg5MA=="
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("x-ms-error-code", "AuthenticationFailed")
		w.WriteHeader(http.StatusForbidden)
		// A server that repeats what it got.
		fmt.Fprintf(w, "<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message><Url>%s</Url><Auth>%s</Auth></Error>", r.URL, r.Header.Get("Authorization"))
	})
	server := httptest.NewServer(echo)
	defer server.Close()
	// Calls of a server that is not there are repeated for this time.
	for address, slow := range map[string]time.Duration{server.URL: time.Second, "http://127.0.0.1:1": 50 * time.Millisecond} {
		t.Setenv("AZURE_STORAGE_CONNECTION_STRING", "AccountName=a;BlobEndpoint="+address+"/a")
		for root, settings := range map[string]Settings{
			"s3://b": {
				"fs.s3a.endpoint": address, "fs.s3a.path.style.access": "true", "fs.s3a.access.key": "AKIA" + planted,
				"fs.s3a.secret.key": planted, "fs.s3a.session.token": "token" + planted,
			},
			"gs://b": {
				"fs.gs.storage.root.url": address, "fs.gs.auth.service.account.email": "a@b", "fs.gs.auth.service.account.private.key": planted,
			},
			"abfs://b@a.dfs.core.windows.net/key":  {"fs.azure.account.key.a.dfs.core.windows.net": planted},
			"abfs://b@a.dfs.core.windows.net/odd":  {"fs.azure.account.key": planted + "!"},
			"abfss://b@a.dfs.core.windows.net/sas": {"fs.azure.sas.fixed.token": "sv=2024&sig=" + planted, "fs.azure.account.auth.type": "SAS"},
		} {
			root, _ = cutRoot(root)
			scheme, _, _ := strings.Cut(root, ":")
			s, err := openers[scheme](root, settings)
			errs := []error{err}
			if err == nil {
				o := s.(*Objects)
				o.slow, o.retry = slow, retryPolicy{total: 50 * time.Millisecond, first: time.Millisecond, most: time.Millisecond}
				_, statErr := s.Stat(t.Context(), root+"/a")
				_, openErr := s.Open(t.Context(), root+"/a")
				_, listErr := s.List(t.Context(), root+"/*")
				errs = []error{statErr, openErr, listErr, s.Mkdir(t.Context(), root+"/a"), WriteFile(t.Context(), s, root+"/a", []byte("x")), s.Remove(t.Context(), root+"/a")}
			}
			for _, err := range errs {
				if err == nil || strings.Contains(err.Error(), planted[:12]) {
					t.Errorf("%s at %s: %v", root, address, err)
				}
			}
		}
	}
}
