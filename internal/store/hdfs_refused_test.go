package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestHDFSRefused: files whose bytes the client cannot read are refused by what they are, and
// at once; so are new files where they would be such files.
func TestHDFSRefused(t *testing.T) {
	t.Parallel()
	c := newServers(t)
	ports := freePorts(t, 2)
	settings := Settings{"fs.defaultFS": "hdfs://" + ports[0], "dfs.replication": "1"}
	c.configure(settings, Settings{
		"dfs.namenode.http-address": ports[1], "dfs.namenode.name.dir": "file://" + c.folder + "/nn",
		"dfs.datanode.data.dir": "file://${dfs.dn}", "hadoop.security.key.provider.path": "jceks://file" + c.folder + "/keys.jceks",
		"dfs.namenode.redundancy.considerLoad": "false",
	})
	c.run("org.apache.hadoop.crypto.key.KeyShell", "create", "key")
	c.run(nameNodeClass, "-format", "-force", "-nonInteractive")
	c.start("nn", nameNodeClass)
	for _, name := range []string{"dn1", "dn2", "dn3"} { // two parts and a sum
		options := c.options
		c.options = append(c.options, "-Ddfs.dn="+filepath.Join(c.folder, name))
		c.start(name, dataNodeClass)
		c.options = options
	}
	awaitWritable(t, func() HDFS { return openLocal(t, settings) }, "hdfs:///ready")

	data := string(randomBytes(3 << 20))
	local := filepath.Join(c.folder, "data")
	if err := os.WriteFile(local, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	const shell, coding, crypto = "org.apache.hadoop.fs.FsShell", "org.apache.hadoop.hdfs.tools.ECAdmin", "org.apache.hadoop.hdfs.tools.CryptoAdmin"
	c.run(shell, "-mkdir", "/coded", "/secret")
	c.run(coding, "-enablePolicy", "-policy", "XOR-2-1-1024k")
	c.run(coding, "-setPolicy", "-path", "/coded", "-policy", "XOR-2-1-1024k")
	c.run(crypto, "-createZone", "-keyName", "key", "-path", "/secret")
	c.run(shell, "-put", local, "/coded/a")
	c.run(shell, "-put", local, "/secret/a")

	s := openLocal(t, settings)
	s.retry.total = time.Minute // what is refused does not pass
	for path, want := range map[string]string{"hdfs:///coded/a": "erasure-coded", "hdfs:///secret/a": "encryption zone"} {
		began := time.Now()
		found, err := s.List(t.Context(), path)
		if err != nil || len(found) != 1 || found[0].Size != int64(len(data)) {
			t.Errorf("%s: listed %v, %v", path, found, err)
		}
		_, openErr := s.Open(t.Context(), path)
		_, atErr := s.OpenAt(t.Context(), path)
		_, rangeErr := s.ReadRange(t.Context(), path, 5, 7)
		writeErr := writeIn(s, path+"-new", []byte("x"))
		for _, err := range []error{openErr, atErr, rangeErr, writeErr} {
			if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "read_by: spark") {
				t.Errorf("%s: %v", path, err)
			}
		}
		if left, err := s.Match(t.Context(), strings.TrimSuffix(path, "a")+"{a-new*,.a-new*}"); err != nil && !errors.Is(err, fs.ErrNotExist) || len(left) > 0 {
			t.Errorf("%s: left %v, %v", path, left, err)
		}
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("%s: refused after %s", path, took)
		}
	}
}
