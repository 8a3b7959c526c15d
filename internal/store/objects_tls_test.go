package store

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// authority is a CA that a test makes.
type authority struct {
	file        string // its certificate
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	a := authority{}
	a.certificate, a.key = newCertificate(t, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, a)
	a.file = writeText(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})))
	return a
}

// newCertificate makes a certificate that a CA has signed, or that signs itself.
func newCertificate(t *testing.T, c *x509.Certificate, by authority) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber, c.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: "tfos test"}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := by.certificate, by.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return made, key
}

// serveTLS serves HTTPS on loopback with a certificate of a CA.
func serveTLS(t *testing.T, by authority, handler http.Handler) string {
	c, key := newCertificate(t, &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, by)
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{c.Raw}, PrivateKey: key}}}
	server.Config.ErrorLog = nil
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

// inChild runs the same test in a process of its own, because Go reads SSL_CERT_FILE once.
// The child gets the root of a store and settings, and prints the error of writing and
// reading a file. It returns what the child says, or "" for success.
func inChild(t *testing.T, environment ...string) string {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+strings.SplitN(t.Name(), "/", 2)[0]+"$")
	child.Env = append(os.Environ(), environment...)
	out, err := child.CombinedOutput()
	said, _, _ := bytes.Cut(out, []byte("\nPASS"))
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.TrimSpace(strings.TrimPrefix(string(said), "PASS"))
}

const childRoot = "TFOS_TEST_CHILD_ROOT"

// childStore writes and reads a file, in the process that inChild has started.
func childStore(t *testing.T, root string) {
	scheme, _, _ := strings.Cut(root, ":")
	settings := testSettings(os.Getenv("TFOS_TEST_CHILD_ADDRESS"))
	for line := range strings.Lines(os.Getenv("TFOS_TEST_CHILD_SETTINGS")) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		settings[name] = value
	}
	begin := time.Now()
	s, err := openers[scheme](root, settings)
	path := fmt.Sprintf("%s/tls-%d", root, os.Getpid())
	if err == nil {
		err = WriteFile(t.Context(), s, path, []byte("text"))
	}
	if err == nil && content(t, s, path) != "text" {
		t.Error("it reads something else")
	}
	if err != nil {
		fmt.Println(err)
	}
	if spent := time.Since(begin); spent > 20*time.Second {
		t.Errorf("it took %s", spent)
	}
}

// TestPrivateCA: a store whose certificate is of a CA that only SSL_CERT_FILE knows, or for
// S3 AWS_CA_BUNDLE. Without it the error comes at once, and names the variable.
func TestPrivateCA(t *testing.T) {
	if root := os.Getenv(childRoot); root != "" {
		childStore(t, root)
		return
	}
	mine, other := newAuthority(t), newAuthority(t)
	for scheme, c := range map[string]struct{ server, root string }{
		"s3":   {s3Server(t), "s3://" + testBucket},
		"gs":   {gcsServer(t), "gs://" + testBucket},
		"abfs": {azureServer(t), "abfs://" + testBucket + "@devstoreaccount1.dfs.core.windows.net"},
	} {
		t.Run(scheme, func(t *testing.T) {
			p := &faultyProxy{t: t, server: c.server}
			address := serveTLS(t, mine, p)
			base := []string{
				childRoot + "=" + c.root, "TFOS_TEST_CHILD_ADDRESS=" + address, "AWS_CA_BUNDLE=",
				"AZURE_STORAGE_CONNECTION_STRING=AccountName=devstoreaccount1;BlobEndpoint=" + address + "/devstoreaccount1",
			}
			try := func(more ...string) string { return inChild(t, append(base, more...)...) }
			if said := try("SSL_CERT_FILE=" + mine.file); said != "" || len(p.seen()) == 0 {
				t.Errorf("with the CA: %s, %d requests", said, len(p.seen()))
			}
			for name, said := range map[string]string{"none": try("SSL_CERT_FILE="), "another": try("SSL_CERT_FILE=" + other.file)} {
				if !strings.Contains(said, "does not know the CA") || !strings.Contains(said, "SSL_CERT_FILE") || !strings.Contains(said, c.root) {
					t.Errorf("%s: %s", name, said)
				}
			}
			if scheme != "s3" {
				return
			}
			if said := try("AWS_CA_BUNDLE=" + mine.file); said != "" {
				t.Errorf("AWS_CA_BUNDLE: %s", said)
			}
			if said := try("AWS_CA_BUNDLE=/nowhere.pem"); !strings.Contains(said, "/nowhere.pem") {
				t.Errorf("no such bundle: %s", said)
			}
		})
	}
}

// TestPlainHTTP: HTTPS to a server that speaks HTTP is an error at once.
func TestPlainHTTP(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	s, root := openBucket(t, s3Root, strings.TrimPrefix(server.URL, "http://")), s3Root
	begin := time.Now()
	if _, err := s.Stat(t.Context(), root+"/a"); err == nil || !strings.Contains(err.Error(), "write http://") || time.Since(begin) > 10*time.Second {
		t.Errorf("after %s: %v", time.Since(begin), err)
	}
}

// TestAzureOAuth: where the token comes from that requests have. The server of tokens and
// the store are one that the test makes: azurite accepts no such token.
func TestAzureOAuth(t *testing.T) {
	if root := os.Getenv(childRoot); root != "" {
		childStore(t, root)
		return
	}
	ca := newAuthority(t)
	var stored atomic.Value
	var asked atomic.Value
	stored.Store([]byte(nil))
	store := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.Header.Get("Authorization"))
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		switch {
		case !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer "):
			w.Header().Set("X-Ms-Error-Code", "NoAuthenticationInformation")
			w.WriteHeader(http.StatusUnauthorized)
		case r.Method == http.MethodPut:
			var body bytes.Buffer
			_, _ = body.ReadFrom(r.Body)
			stored.Store(body.Bytes())
			w.WriteHeader(http.StatusCreated)
		case r.URL.Query().Get("comp") == "list":
			fmt.Fprint(w, `<EnumerationResults><Blobs></Blobs></EnumerationResults>`)
		default:
			_, _ = w.Write(stored.Load().([]byte))
		}
	})
	var authorityURL string
	authority := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		w.Header().Set("Content-Type", "application/json")
		given := r.PostForm
		switch {
		case strings.HasSuffix(r.URL.Path, "/.well-known/openid-configuration"):
			fmt.Fprintf(w, `{"token_endpoint":%q,"authorization_endpoint":%q,"issuer":%q}`, authorityURL+"/tenant/oauth2/v2.0/token", authorityURL+"/tenant/authorize", authorityURL+"/tenant/v2.0")
		case given.Get("client_id") == "trainer" && given.Get("client_secret") == "planted":
			fmt.Fprint(w, `{"access_token":"CLIENT","token_type":"Bearer","expires_in":3600}`)
		case given.Get("client_assertion") == "pod":
			fmt.Fprint(w, `{"access_token":"WORKLOAD","token_type":"Bearer","expires_in":3600}`)
		case r.Header.Get("X-Identity-Header") == "here":
			fmt.Fprintf(w, `{"access_token":"MACHINE","token_type":"Bearer","expires_on":"%d"}`, time.Now().Add(time.Hour).Unix())
		default:
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":"invalid_client","error_description":"planted is wrong"}`)
		}
	})
	authorityURL = serveTLS(t, ca, authority)
	address := serveTLS(t, ca, store)
	token := writeText(t, "token", "pod")
	const oauth = "fs.azure.account.auth.type=OAuth\nfs.azure.account.oauth.provider.type=org.apache.hadoop.fs.azurebfs.oauth2."
	client := oauth + "ClientCredsTokenProvider\nfs.azure.account.oauth2.client.id=trainer\nfs.azure.account.oauth2.client.endpoint=" + authorityURL + "/tenant/oauth2/token\nfs.azure.account.oauth2.client.secret="
	for name, c := range map[string]struct {
		settings string
		env      []string
		token    string // "": refused
	}{
		"client credentials": {client + "planted", nil, "CLIENT"},
		"a wrong secret":     {client + "another", nil, ""},
		"managed identity":   {oauth + "MsiTokenProvider", []string{"IDENTITY_ENDPOINT=" + authorityURL + "/msi", "IDENTITY_HEADER=here"}, "MACHINE"},
		"workload identity": {oauth + "WorkloadIdentityTokenProvider\nfs.azure.account.oauth2.client.id=pods\nfs.azure.account.oauth2.msi.tenant=tenant\nfs.azure.account.oauth2.token.file=" + token,
			[]string{"AZURE_AUTHORITY_HOST=" + authorityURL}, "WORKLOAD"},
	} {
		t.Run(name, func(t *testing.T) {
			asked.Store("")
			said := inChild(t, append(c.env, childRoot+"=abfs://c@account.dfs.core.windows.net", "SSL_CERT_FILE="+ca.file, "TFOS_TEST_CHILD_SETTINGS="+c.settings,
				"AZURE_STORAGE_CONNECTION_STRING=AccountName=account;BlobEndpoint="+address+"/account")...)
			if c.token != "" && (said != "" || asked.Load() != "Bearer "+c.token) {
				t.Errorf("%q: %s", asked.Load(), said)
			}
			if c.token == "" && (!strings.Contains(said, "credentials are missing, wrong or expired") || strings.Contains(said, "planted") || asked.Load() != "") {
				t.Errorf("%q: %s", asked.Load(), said)
			}
		})
	}
}
