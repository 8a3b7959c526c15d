package store

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"tfos/internal/store/bucket"
)

// authorizations notes what requests through a proxy say about who sends them.
type authorizations struct {
	mu  sync.Mutex
	all []http.Header
}

// watch returns a proxy's address and what its requests say.
func watch(t *testing.T, server string) (string, *authorizations) {
	p, address := newProxy(t, server)
	seen := &authorizations{}
	p.set(func(_ *faultyProxy, _ http.ResponseWriter, r *http.Request) bool {
		seen.mu.Lock()
		defer seen.mu.Unlock()
		seen.all = append(seen.all, r.Header.Clone())
		return false
	})
	return address, seen
}

// last returns a header of the last request.
func (a *authorizations) last(name string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.all) == 0 {
		return "no request"
	}
	return a.all[len(a.all)-1].Get(name)
}

// noCredentials takes away what this machine may have.
func noCredentials(t *testing.T) {
	for _, name := range []string{
		"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE",
		"GOOGLE_APPLICATION_CREDENTIALS", "STORAGE_EMULATOR_HOST",
	} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("AWS_CONFIG_FILE", "/nowhere")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1")
}

func writeText(t *testing.T, name, text string) (path string) {
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// roleServer is the metadata server of an instance, and that of a container. Each answer has
// another key, which is valid for lifetime.
func roleServer(t *testing.T, lifetime time.Duration) string {
	var mu sync.Mutex
	given := map[string]int{}
	key := func(w http.ResponseWriter, kind string) {
		mu.Lock()
		defer mu.Unlock()
		given[kind]++
		_ = json.NewEncoder(w).Encode(map[string]any{
			"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": fmt.Sprintf("%s%d", kind, given[kind]), "SecretAccessKey": "s",
			"Token": kind + "-TOKEN", "Expiration": time.Now().Add(lifetime).UTC().Format(time.RFC3339),
		})
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		const roles = "/latest/meta-data/iam/security-credentials/"
		switch r.URL.Path {
		case "/latest/api/token":
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "600")
			fmt.Fprint(w, "SESSION")
		case roles:
			fmt.Fprint(w, "trainer")
		case roles + "trainer":
			if r.Header.Get("X-Aws-Ec2-Metadata-Token") != "SESSION" {
				t.Error("the metadata server was asked without a session")
			}
			key(w, "INSTANCE")
		case "/container":
			if r.Header.Get("Authorization") != "pod" {
				t.Errorf("the container's credentials were asked for with %q", r.Header.Get("Authorization"))
			}
			key(w, "CONTAINER")
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestS3Credentials: where the key comes from that signs the requests to a real server.
func TestS3Credentials(t *testing.T) {
	server := s3Server(t)
	role := roleServer(t, time.Hour)
	const provider = "fs.s3a.aws.credentials.provider"
	instance := map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": role}
	container := map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": role + "/container", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "pod"}
	for name, c := range map[string]struct {
		settings   Settings
		env        map[string]string
		key, token string // what the key begins with, and the session's token. "": the request is not signed
	}{
		"anonymous": {Settings{provider: "org.apache.hadoop.fs.s3a.AnonymousAWSCredentialsProvider"}, nil, "", ""},
		"settings":  {Settings{"fs.s3a.access.key": "PLAIN", "fs.s3a.secret.key": "s"}, nil, "PLAIN", ""},
		"session":   {Settings{"fs.s3a.access.key": "TEMP", "fs.s3a.secret.key": "s", "fs.s3a.session.token": "T"}, nil, "TEMP", "T"},
		"the bucket's": {Settings{
			"fs.s3a.access.key": "PLAIN", "fs.s3a.secret.key": "s",
			"fs.s3a.bucket.tfos.access.key": "MINE", "fs.s3a.bucket.tfos.secret.key": "s", "fs.s3a.bucket.other.access.key": "OTHER",
		}, nil, "MINE", ""},
		"environment":         {nil, map[string]string{"AWS_ACCESS_KEY_ID": "ENV", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "ET"}, "ENV", "ET"},
		"profile":             {nil, map[string]string{"AWS_PROFILE": "p", "AWS_SHARED_CREDENTIALS_FILE": writeText(t, "credentials", "[p]\naws_access_key_id = PROFILE\naws_secret_access_key = s\n")}, "PROFILE", ""},
		"instance":            {nil, instance, "INSTANCE", "INSTANCE-TOKEN"},
		"instance, by class":  {Settings{provider: "com.amazonaws.auth.InstanceProfileCredentialsProvider"}, instance, "INSTANCE", "INSTANCE-TOKEN"},
		"container":           {nil, container, "CONTAINER", "CONTAINER-TOKEN"},
		"container, by class": {Settings{provider: "org.apache.hadoop.fs.s3a.auth.IAMInstanceCredentialsProvider"}, container, "CONTAINER", "CONTAINER-TOKEN"},
		"web identity": {nil, map[string]string{
			"AWS_WEB_IDENTITY_TOKEN_FILE": writeText(t, "token", "jwt"), "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/trainer",
			"AWS_ENDPOINT_URL_STS": server, "AWS_REGION": "eu-central-1",
		}, "ASIA", "*"},
	} {
		t.Run(name, func(t *testing.T) {
			noCredentials(t)
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			address, seen := watch(t, server)
			settings := Settings{"fs.s3a.endpoint": address, "fs.s3a.path.style.access": "true"}
			for name, value := range c.settings {
				settings[name] = value
			}
			s, root := openTest(t, openS3, "s3://"+testBucket, settings)
			folder := newFolder(s, root)(t)
			write(t, s, folder+"/a", "text")
			if c.key == "" {
				makePublic(t, server+"/"+testBucket+strings.TrimPrefix(folder, root)+"/a")
			}
			if got := content(t, s, folder+"/a"); got != "text" {
				t.Errorf("%q", got)
			}
			signed, token := seen.last("Authorization"), seen.last("X-Amz-Security-Token")
			if c.key == "" && signed != "" || c.key != "" && !strings.Contains(signed, "Credential="+c.key) {
				t.Errorf("signed %q, want the key %s", signed, c.key)
			}
			if token != c.token && (c.token != "*" || token == "") {
				t.Errorf("session %q", token)
			}
		})
	}
}

// makePublic permits everybody to read an object of S3.
func makePublic(t *testing.T, url string) {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url+"?acl", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Amz-Acl", "public-read")
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=owner/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0") // moto asks for any key
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
}

// TestS3RoleIsRenewed: a role's key that expires is asked for again.
func TestS3RoleIsRenewed(t *testing.T) {
	noCredentials(t)
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", roleServer(t, 2*time.Second))
	address, seen := watch(t, s3Server(t))
	s, root := openTest(t, openS3, "s3://"+testBucket, Settings{"fs.s3a.endpoint": address, "fs.s3a.path.style.access": "true"})
	folder := newFolder(s, root)(t)
	first := seen.last("Authorization")
	for begin := time.Now(); time.Since(begin) < 30*time.Second; time.Sleep(200 * time.Millisecond) {
		write(t, s, folder+"/a", "text")
		if !strings.Contains(first, "Credential=INSTANCE1/") {
			t.Fatalf("signed %q", first)
		}
		if strings.Contains(seen.last("Authorization"), "Credential=INSTANCE2/") {
			return
		}
	}
	t.Errorf("after 30 s: %q", seen.last("Authorization"))
}

// TestKeystoreIsNamed: where secrets may be in a keystore, the error says that it is not read.
func TestKeystoreIsNamed(t *testing.T) {
	noCredentials(t)
	keystore := Settings{"hadoop.security.credential.provider.path": "jceks://hdfs/keys.jceks"}
	for root, more := range map[string]Settings{
		"s3://b":                          {"fs.s3a.aws.credentials.provider": "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider"},
		"gs://b":                          {"fs.gs.auth.service.account.json.keyfile": "/nowhere"},
		"abfs://b@a.dfs.core.windows.net": {"fs.azure.account.auth.type": "SharedKey"},
	} {
		for name, value := range keystore {
			more[name] = value
		}
		scheme, _, _ := strings.Cut(root, ":")
		s, err := openers[scheme](root, more)
		if err == nil {
			_, err = s.Stat(t.Context(), root+"/a")
		}
		if err == nil || !strings.Contains(err.Error(), "jceks://hdfs/keys.jceks") || !strings.Contains(err.Error(), "not read") {
			t.Errorf("%s: %v", root, err)
		}
	}
}

// tokenServer gives tokens to service accounts, and to instances, and returns its address.
func tokenServer(t *testing.T) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path == "/token" && strings.HasPrefix(r.FormValue("grant_type"), "urn:ietf:params:oauth:grant-type:jwt-bearer") && r.FormValue("assertion") != "":
			fmt.Fprint(w, `{"access_token":"ACCOUNT","token_type":"Bearer","expires_in":3600}`)
		case strings.HasSuffix(r.URL.Path, "/service-accounts/default/token") && r.Header.Get("Metadata-Flavor") == "Google":
			fmt.Fprint(w, `{"access_token":"MACHINE","token_type":"Bearer","expires_in":3600}`)
		default:
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error":"invalid_grant","error_description":"Invalid JWT Signature."}`)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestGCSCredentials: where the token comes from that requests to a real server have.
func TestGCSCredentials(t *testing.T) {
	server, given := gcsServer(t), tokenServer(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	private := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	account := func(t *testing.T, path string) string {
		text, err := json.Marshal(map[string]string{
			"type": "service_account", "client_email": "trainer@project.iam.gserviceaccount.com", "private_key_id": "1", "private_key": private, "token_uri": given + path,
		})
		if err != nil {
			t.Fatal(err)
		}
		return writeText(t, "key.json", string(text))
	}
	const file = "fs.gs.auth.service.account.json.keyfile"
	for name, c := range map[string]struct {
		settings Settings
		env      map[string]string
		token    string
		wrong    string
	}{
		"anonymous":   {Settings{"fs.gs.auth.type": "UNAUTHENTICATED"}, nil, "", ""},
		"key file":    {Settings{file: account(t, "/token")}, nil, "Bearer ACCOUNT", ""},
		"environment": {nil, map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": account(t, "/token")}, "Bearer ACCOUNT", ""},
		"key in the settings": {Settings{
			"fs.gs.auth.service.account.email": "trainer@project", "fs.gs.auth.service.account.private.key": strings.ReplaceAll(private, "\n", `\n`),
			"fs.gs.auth.service.account.private.key.id": "1", "fs.gs.token.server.url": given + "/token",
		}, nil, "Bearer ACCOUNT", ""},
		"machine": {Settings{"fs.gs.auth.type": "COMPUTE_ENGINE"}, map[string]string{"GCE_METADATA_HOST": strings.TrimPrefix(given, "http://")}, "Bearer MACHINE", ""},
		"refused": {Settings{file: account(t, "/closed")}, nil, "", "invalid_grant: Invalid JWT Signature."},
		"no file": {Settings{file: "/nowhere.json"}, nil, "", "/nowhere.json"},
	} {
		t.Run(name, func(t *testing.T) {
			noCredentials(t)
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			address, seen := watch(t, server)
			settings := Settings{"fs.gs.storage.root.url": address}
			for name, value := range c.settings {
				settings[name] = value
			}
			s, root := openTest(t, openGCS, "gs://"+testBucket, settings)
			if c.wrong != "" {
				_, err := s.Stat(t.Context(), root+"/a")
				if !errors.Is(err, bucket.ErrCredentials) || !strings.Contains(err.Error(), c.wrong) || !strings.Contains(err.Error(), "GOOGLE_APPLICATION_CREDENTIALS") {
					t.Errorf("%v", err)
				}
				return
			}
			folder := newFolder(s, root)(t)
			write(t, s, folder+"/a", "text")
			if got := content(t, s, folder+"/a"); got != "text" || seen.last("Authorization") != c.token {
				t.Errorf("%q with %q", got, seen.last("Authorization"))
			}
		})
	}
}

// TestAzureSAS: a SAS token gives what it says, until it expires.
func TestAzureSAS(t *testing.T) {
	server := azureServer(t)
	t.Setenv("AZURE_STORAGE_CONNECTION_STRING", "AccountName=devstoreaccount1;BlobEndpoint="+server+"/devstoreaccount1")
	key, err := azblob.NewSharedKeyCredential("devstoreaccount1", azuriteKey)
	if err != nil {
		t.Fatal(err)
	}
	open := func(permissions sas.ContainerPermissions, expires time.Duration) (*Objects, string) {
		now := time.Now().UTC()
		query, err := sas.BlobSignatureValues{
			ContainerName: testBucket, Permissions: permissions.String(), StartTime: now.Add(-2 * time.Hour), ExpiryTime: now.Add(expires),
		}.SignWithSharedKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return openTest(t, openAzure, "abfs://"+testBucket+"@devstoreaccount1.dfs.core.windows.net", Settings{
			"fs.azure.account.auth.type": "SAS", "fs.azure.sas.fixed.token": query.Encode(),
		})
	}
	all := sas.ContainerPermissions{Read: true, Add: true, Create: true, Write: true, Delete: true, List: true}
	s, root := open(all, time.Hour)
	folder := newFolder(s, root)(t)
	write(t, s, folder+"/a", "text")
	writeBytes(t, s, folder+"/large", noise(20<<20))
	if err := s.Publish(t.Context(), folder+"/a", folder+"/b", false); err != nil {
		t.Error(err)
	}
	reader, _ := open(sas.ContainerPermissions{Read: true, List: true}, time.Hour)
	if got := content(t, reader, folder+"/b"); got != "text" {
		t.Errorf("%q", got)
	}
	if err := WriteFile(t.Context(), reader, folder+"/c", []byte("x")); !errors.Is(err, bucket.ErrDenied) {
		t.Errorf("a token that permits no writing: %v", err)
	}
	late, _ := open(all, -time.Hour)
	if _, err := late.Open(t.Context(), folder+"/b"); !errors.Is(err, bucket.ErrCredentials) && !errors.Is(err, bucket.ErrDenied) {
		t.Errorf("an expired token: %v", err)
	}
}
