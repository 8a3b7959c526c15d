package store

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const realm = "EXAMPLE.COM"

// startKerberos starts a Kerberos server, a name node and a data node that sign and
// encrypt. It returns the settings of clients, without credentials, and the keytab.
func startKerberos(t *testing.T) (settings, env Settings, keytab string) {
	t.Helper()
	c := newServers(t)
	keytab = c.folder + "/keytab"
	if err := os.WriteFile(c.folder+"/kdc.conf", []byte("kdc.bind.address=localhost\nkdc.port=0\norg.name=EXAMPLE\norg.domain=COM\ntransport=TCP\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.configure()
	krb5 := c.folder + "/krb5.conf"
	c.start("kdc", "org.apache.hadoop.minikdc.MiniKdc", c.folder, c.folder+"/kdc.conf", keytab, "hdfs/localhost", "HTTP/localhost", "user")
	await(t, "the KDC", func() bool {
		_, confErr := os.Stat(krb5)
		log, logErr := os.ReadFile(c.folder + "/kdc.log")
		return confErr == nil && logErr == nil && bytes.Contains(log, []byte("MiniKdc Running"))
	})
	ports := freePorts(t, 2)
	address := strings.Replace(ports[0], "127.0.0.1", "localhost", 1)
	settings = Settings{
		"fs.defaultFS": "hdfs://" + address, "hadoop.security.authentication": "kerberos", "dfs.replication": "1", "dfs.blocksize": "1m",
		"dfs.namenode.kerberos.principal": "hdfs/_HOST@" + realm,
		"hadoop.rpc.protection":           "privacy", "dfs.data.transfer.protection": "privacy", suitesProperty: aesSuite,
	}
	c.options = []string{"-Djava.security.krb5.conf=" + krb5}
	c.configure(settings, Settings{
		"dfs.namenode.http-address": ports[1], "dfs.namenode.name.dir": "file://" + c.folder + "/nn", "dfs.datanode.data.dir": "file://" + c.folder + "/dn",
		"dfs.namenode.keytab.file": keytab, "dfs.datanode.keytab.file": keytab, "dfs.datanode.kerberos.principal": "hdfs/_HOST@" + realm,
		"dfs.web.authentication.kerberos.principal": "HTTP/_HOST@" + realm, "dfs.web.authentication.kerberos.keytab": keytab,
		"dfs.block.access.token.enable": "true", "ignore.secure.ports.for.testing": "true", "dfs.datanode.hostname": "localhost",
	})
	c.run(nameNodeClass, "-format", "-force", "-nonInteractive")
	c.start("nn", nameNodeClass)
	c.start("dn", dataNodeClass)
	env = Settings{"KRB5_CONFIG": krb5}
	awaitWritable(t, func() HDFS {
		return kerberized(t, settings, env, Settings{"spark.kerberos.keytab": keytab, "spark.kerberos.principal": "hdfs/localhost@" + realm})
	}, "hdfs:///ready")
	return settings, env, keytab
}

// takeTicket gets a ticket, as kinit does.
func takeTicket(t *testing.T, principal, keytab, cache, krb5 string) {
	t.Helper()
	out, err := exec.Command("java", "-cp", remoteServer(t, "TFOS_TEST_HADOOP_JARS")+"/*", "testdata/Ticket.java",
		principal, keytab, cache, filepath.Dir(krb5)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// await waits until ready is true.
func await(t *testing.T, what string, ready func() bool) {
	t.Helper()
	for begin := time.Now(); !ready(); time.Sleep(100 * time.Millisecond) {
		if time.Since(begin) > 2*time.Minute {
			t.Fatalf("%s did not start", what)
		}
	}
}

func kerberized(t *testing.T, settings, env, credentials Settings) HDFS {
	t.Helper()
	all := Settings{}
	for _, s := range []Settings{settings, credentials} {
		for name, value := range s {
			all[name] = value
		}
	}
	s, err := openHDFS("hdfs://", all)
	if err != nil {
		t.Fatal(err)
	}
	h := s.(HDFS)
	h.env = func(name string) string { return env[name] }
	return h
}

// TestHDFSKerberos: a keytab opens a cluster that signs and encrypts everything; without
// credentials, or with wrong ones, the error comes at once and says what to do.
func TestHDFSKerberos(t *testing.T) {
	t.Parallel()
	settings, env, keytab := startKerberos(t)
	admin := kerberized(t, settings, env, Settings{"spark.kerberos.keytab": keytab, "spark.kerberos.principal": "hdfs/localhost@" + realm})
	data := randomBytes(2<<20 + 5)
	write(t, admin, "hdfs:///data/a", "x")
	if err := writeIn(admin, "hdfs:///data/b", data); err != nil {
		t.Fatal(err)
	}
	if got := content(t, admin, "hdfs:///data/b"); got != string(data) {
		t.Errorf("%d bytes, which differ", len(got))
	}
	change(t, filepath.Dir(keytab)+"/dn", data[1<<20:2<<20], 1000) // the second block
	admin.retry.total = 3 * time.Second
	r, err := admin.Open(t.Context(), "hdfs:///data/b")
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if _ = r.Close(); err == nil || len(got) > 1<<20+1000 || !bytes.Equal(got, data[:len(got)]) {
		t.Errorf("a byte of a block has changed: %d bytes, %v", len(got), err)
	}
	user := kerberized(t, settings, env, Settings{"spark.kerberos.keytab": keytab, "spark.kerberos.principal": "user"})
	if got := content(t, user, "hdfs:///data/a"); got != "x" {
		t.Errorf("another user reads %q", got)
	}
	if err := user.Mkdir(t.Context(), "hdfs:///mine"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("another user writes: %v", err)
	}
	env["KRB5_CLIENT_KTNAME"] = "FILE:" + keytab
	if got := content(t, kerberized(t, settings, env, nil), "hdfs:///data/a"); got != "x" {
		t.Errorf("with KRB5_CLIENT_KTNAME: %q", got)
	}
	delete(env, "KRB5_CLIENT_KTNAME")
	cache := t.TempDir() + "/cache"
	takeTicket(t, "user@"+realm, keytab, cache, env["KRB5_CONFIG"])
	env["KRB5CCNAME"] = "FILE:" + cache
	if got := content(t, kerberized(t, settings, env, nil), "hdfs:///data/a"); got != "x" {
		t.Errorf("with a ticket: %q", got)
	}
	begin := time.Now()
	env["KRB5CCNAME"] = "FILE:/nowhere/cache"
	for name, credentials := range map[string]Settings{
		"no ticket":       {},
		"no such keytab":  {"spark.kerberos.keytab": "/nowhere/keytab"},
		"not in a keytab": {"spark.kerberos.keytab": keytab, "spark.kerberos.principal": "stranger@" + realm},
		"no service":      {"spark.kerberos.keytab": keytab, "spark.kerberos.principal": "user", "dfs.namenode.kerberos.principal": "nobody/_HOST@" + realm},
	} {
		_, err := kerberized(t, settings, env, credentials).Stat(t.Context(), "hdfs:///data/a")
		if err == nil || !strings.Contains(err.Error(), "kerberos: ") || !strings.Contains(err.Error(), "kinit") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, protection := range map[string]Settings{
		"without AES": {suitesProperty: ""}, "integrity": {"dfs.data.transfer.protection": "integrity"},
	} {
		protection["spark.kerberos.keytab"], protection["spark.kerberos.principal"] = keytab, "user"
		if _, err := kerberized(t, settings, env, protection).Stat(t.Context(), "hdfs:///data/a"); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if spent := time.Since(begin); spent > 40*time.Second {
		t.Errorf("it took %s to say what is wrong", spent)
	}
}

// TestKerberosSettings: what is missing is named, before any connection.
func TestKerberosSettings(t *testing.T) {
	krb5 := t.TempDir() + "/krb5.conf"
	if err := os.WriteFile(krb5, []byte("[libdefaults]\ndefault_realm = "+realm+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"KRB5_CONFIG": "/nowhere/krb5.conf"}, "krb5.conf"},
		{map[string]string{"KRB5_CONFIG": krb5, "KRB5CCNAME": "KEYRING:persistent:0"}, "KEYRING"},
		{map[string]string{"KRB5_CONFIG": krb5, "KRB5CCNAME": "/nowhere/cache"}, "/nowhere/cache"},
		{map[string]string{"KRB5_CONFIG": krb5, "KRB5_CLIENT_KTNAME": "/nowhere/keytab"}, "/nowhere/keytab"},
	} {
		cluster := hdfsCluster{env: func(name string) string { return c.env[name] }}
		_, err := cluster.kerberosClient("hdfs/_HOST")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %s", c.env, err, c.want)
		}
		if again, _ := retryAfter(err); again {
			t.Errorf("%v: would be tried again", c.env)
		}
	}
}
