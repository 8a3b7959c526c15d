package cluster

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tfos/internal/exit"
)

// startJava starts a class of Hadoop's, which ends with the test.
func startJava(t *testing.T, classPath, log string, args ...string) {
	t.Helper()
	out, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("java", append([]string{"-Xmx256m", "-XX:TieredStopAtLevel=1", "--add-opens=java.base/java.lang=ALL-UNNAMED", "-cp", classPath}, args...)...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = out.Close()
		if text, err := os.ReadFile(log); err == nil && t.Failed() {
			t.Logf("%s: …%s", log, text[max(0, len(text)-3000):])
		}
	})
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}

// TestYARNKerberos: a real ResourceManager whose web services want a ticket. A keytab opens
// them; without one, or with a wrong one, the error comes at once and says what to do.
func TestYARNKerberos(t *testing.T) {
	hadoop, own := os.Getenv("TFOS_TEST_HADOOP_JARS"), os.Getenv("TFOS_TEST_YARN_JARS")
	if hadoop == "" || own == "" {
		if strings.Contains(os.Getenv("TFOS_REQUIRE"), "yarn") {
			t.Fatal("TFOS_TEST_YARN_JARS is not set: run make test-yarn")
		}
		t.Skip("SKIPPED: TFOS_TEST_YARN_JARS is not set: run make test-yarn")
	}
	dir := t.TempDir()
	keytab, krb5 := dir+"/keytab", dir+"/krb5.conf"
	if err := os.WriteFile(dir+"/kdc.conf", []byte("kdc.bind.address=localhost\nkdc.port=0\norg.name=EXAMPLE\norg.domain=COM\ntransport=TCP\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	startJava(t, hadoop+"/*", dir+"/kdc.log", "org.apache.hadoop.minikdc.MiniKdc", dir, dir+"/kdc.conf", keytab, "rm/localhost", "HTTP/localhost", "ann")
	eventually(t, "the KDC", func() bool {
		log, _ := os.ReadFile(dir + "/kdc.log")
		return strings.Contains(string(log), "MiniKdc Running")
	})
	secret := dir + "/secret"
	if err := os.WriteFile(secret, []byte("a secret of the test"), 0o600); err != nil {
		t.Fatal(err)
	}
	site := map[string]string{
		"hadoop.tmp.dir": dir + "/tmp", "fs.defaultFS": "file:///",
		"hadoop.security.authentication":                   "kerberos",
		"hadoop.http.filter.initializers":                  "org.apache.hadoop.security.AuthenticationFilterInitializer",
		"hadoop.http.authentication.type":                  "kerberos",
		"hadoop.http.authentication.signature.secret.file": secret,
		"hadoop.http.authentication.kerberos.principal":    "HTTP/localhost@EXAMPLE.COM",
		"hadoop.http.authentication.kerberos.keytab":       keytab,
		"yarn.resourcemanager.keytab":                      keytab,
		"yarn.resourcemanager.principal":                   "rm/localhost@EXAMPLE.COM",
		"yarn.resourcemanager.webapp.spnego-principal":     "HTTP/localhost@EXAMPLE.COM",
		"yarn.resourcemanager.webapp.spnego-keytab-file":   keytab,
		"yarn.resourcemanager.scheduler.class":             "org.apache.hadoop.yarn.server.resourcemanager.scheduler.fifo.FifoScheduler",
	}
	for _, name := range []string{"address", "webapp.address", "scheduler.address", "resource-tracker.address", "admin.address"} {
		site["yarn.resourcemanager."+name] = "localhost:" + freePort(t)
	}
	env := yarnSite(t, site)
	conf := env("HADOOP_CONF_DIR")
	text, err := os.ReadFile(conf + "/yarn-site.xml")
	if err == nil {
		err = os.WriteFile(conf+"/core-site.xml", text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	startJava(t, conf+":"+own+"/*", dir+"/rm.log", "-Djava.security.krb5.conf="+krb5, "org.apache.hadoop.yarn.server.resourcemanager.ResourceManager")
	eventually(t, "the ResourceManager", func() bool {
		conn, err := net.Dial("tcp", site["yarn.resourcemanager.address"])
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	open := func(settings map[string]string) yarn {
		conf := map[string]string{YARNTags: "tfos," + RunKey("r", "")}
		maps.Copy(conf, settings)
		m, err := Open(Config{Kind: YARN, Conf: conf, Env: func(name string) string {
			if name == "KRB5_CONFIG" {
				return krb5
			}
			return env(name)
		}})
		if err != nil {
			t.Fatal(err)
		}
		return m.(yarn)
	}
	ann := open(map[string]string{"spark.kerberos.keytab": keytab, "spark.kerberos.principal": "ann"})
	if err := ann.Reach(t.Context()); err != nil {
		t.Error(err)
	}
	var info struct {
		Cluster struct {
			State string `json:"state"`
		} `json:"clusterInfo"`
	}
	if err := ann.rm.get(t.Context(), "/ws/v1/cluster/info", nil, &info); err != nil || info.Cluster.State != "STARTED" {
		t.Errorf("%+v, %v", info, err)
	}
	if _, err := ann.Find(t.Context()); !errors.Is(err, ErrUnknown) || strings.Contains(err.Error(), "HTTP") {
		t.Errorf("a run that is not there: %v", err)
	}
	begin := time.Now()
	for name, settings := range map[string]map[string]string{
		"no ticket":       {},
		"no such keytab":  {"spark.kerberos.keytab": filepath.Join(dir, "none")},
		"not in a keytab": {"spark.kerberos.keytab": keytab, "spark.kerberos.principal": "stranger"},
	} {
		nobody := open(settings)
		if err := nobody.Reach(t.Context()); exit.CodeOf(err, 0) != exit.NoSpark || !strings.Contains(err.Error(), "kinit") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := nobody.Find(t.Context()); err == nil || !strings.Contains(err.Error(), "kinit") {
			t.Errorf("%s: find: %v", name, err)
		}
	}
	if spent := time.Since(begin); spent > 15*time.Second {
		t.Errorf("it took %s to say what is wrong", spent)
	}
}

func eventually(t *testing.T, what string, ready func() bool) {
	t.Helper()
	for begin := time.Now(); !ready(); time.Sleep(100 * time.Millisecond) {
		if time.Since(begin) > 2*time.Minute {
			t.Fatalf("%s did not start", what)
		}
	}
}
