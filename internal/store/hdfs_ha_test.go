package store

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// haCluster is a real HDFS of two name nodes and two data nodes.
type haCluster struct {
	*hadoopServers
	settings Settings
}

// startHA starts the cluster. nn1 is active.
func startHA(t *testing.T) *haCluster {
	t.Helper()
	ports := freePorts(t, 4)
	c := &haCluster{newServers(t), Settings{
		"fs.defaultFS": "hdfs://pair", "dfs.nameservices": "pair", "dfs.ha.namenodes.pair": "nn1, nn2",
		"dfs.namenode.rpc-address.pair.nn1": ports[0], "dfs.namenode.rpc-address.pair.nn2": ports[1],
		"dfs.replication": "2", "dfs.blocksize": "1m",
	}}
	c.configure(c.settings, Settings{
		"dfs.namenode.http-address.pair.nn1": ports[2], "dfs.namenode.http-address.pair.nn2": ports[3],
		"dfs.namenode.name.dir.pair.nn1": "file://" + c.folder + "/nn1", "dfs.namenode.name.dir.pair.nn2": "file://" + c.folder + "/nn2",
		"dfs.namenode.shared.edits.dir": "file://" + c.folder + "/edits", "dfs.ha.standby.checkpoints": "false",
		"dfs.client.failover.proxy.provider.pair": "org.apache.hadoop.hdfs.server.namenode.ha.ConfiguredFailoverProxyProvider",
		// A dead data node is noticed after 12 s.
		"dfs.heartbeat.interval": "1", "dfs.namenode.heartbeat.recheck-interval": "1000",
	})
	c.run(nameNodeClass, "-Ddfs.ha.namenode.id=nn1", "-format", "-force", "-nonInteractive")
	if err := os.CopyFS(c.folder+"/nn2", os.DirFS(c.folder+"/nn1")); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"nn1", "nn2"} {
		c.start(id, nameNodeClass, "-Ddfs.ha.namenode.id="+id)
	}
	for _, id := range []string{"dn1", "dn2"} {
		c.start(id, dataNodeClass, "-Ddfs.datanode.data.dir=file://"+c.folder+"/"+id)
	}
	c.active("nn1")
	awaitWritable(t, c.store, "hdfs://pair/ready")
	return c
}

// haadmin calls Hadoop's tool until it succeeds: a name node may still be starting.
func (c *haCluster) haadmin(args ...string) {
	c.t.Helper()
	for begin := time.Now(); ; {
		out, err := c.java("org.apache.hadoop.hdfs.tools.DFSHAAdmin", args...).CombinedOutput()
		if err == nil {
			return
		}
		if time.Since(begin) > 2*time.Minute {
			c.t.Fatalf("haadmin %v: %v: %s", args, err, out)
		}
	}
}

// active makes a name node the active one. Nobody asks whether the other one, which may be dead, is active.
func (c *haCluster) active(id string) { c.haadmin("-transitionToActive", "--forceactive", id) }

// store returns a store with connections of its own.
func (c *haCluster) store() HDFS {
	c.t.Helper()
	s, err := openHDFS("hdfs://", c.settings)
	if err != nil {
		c.t.Fatal(err)
	}
	return s.(HDFS)
}

// TestHDFSDeadServers: writes and reads go on through a fail-over of the name nodes, the
// death of the active one, and the death of a data node.
func TestHDFSDeadServers(t *testing.T) {
	t.Parallel()
	c := startHA(t)
	s := c.store()
	data := randomBytes(5 << 20)
	half := len(data)/2 + 777
	const root = "hdfs:///"
	if err := writeIn(s, root+"before", data); err != nil {
		t.Fatal(err)
	}
	// through breaks the cluster in the middle of a write, of a read from the start, and
	// while a handle and a lock are held.
	through := func(name string, broken func()) {
		t.Helper()
		lock, err := s.Lock(t.Context(), root+"lock-"+name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := s.Create(t.Context(), root+name)
		if err != nil {
			t.Fatal(err)
		}
		_, err = file.Write(data[:half])
		reader, openErr := s.Open(t.Context(), root+"before")
		handle, atErr := s.OpenAt(t.Context(), root+"before")
		got := make([]byte, len(data))
		if err = errors.Join(err, openErr, atErr); err == nil {
			_, err = io.ReadFull(reader, got[:half])
		}
		if err != nil {
			t.Fatal(err)
		}
		broken()
		begin := time.Now()
		if _, err = file.Write(data[half:]); err == nil {
			err = file.Commit()
		}
		if err != nil {
			t.Errorf("%s: write: %v", name, err)
		}
		if _, err = io.ReadFull(reader, got[half:]); err != nil || string(got) != string(data) {
			t.Errorf("%s: read: %v", name, err)
		}
		if n, err := handle.ReadAt(t.Context(), got, 0); err != nil || string(got[:n]) != string(data) {
			t.Errorf("%s: read %d bytes at 0: %v", name, n, err)
		}
		if _, err := c.store().Lock(t.Context(), root+"lock-"+name); !errors.Is(err, ErrLocked) {
			t.Errorf("%s: a second holder of the lock: %v", name, err)
		}
		if err := errors.Join(reader.Close(), handle.Close(), lock.Close()); err != nil {
			t.Errorf("%s: close: %v", name, err)
		}
		if got := content(t, c.store(), root+name); got != string(data) {
			t.Errorf("%s: %d bytes, which differ", name, len(got))
		}
		t.Logf("%s: %s", name, time.Since(begin).Round(time.Millisecond))
	}
	through("fail-over", func() {
		c.haadmin("-transitionToStandby", "nn1")
		c.active("nn2")
	})
	through("data-node", func() { c.kill("dn1") })
	through("name-node", func() {
		c.kill("nn2")
		c.active("nn1")
	})
	if got := namesIn(t, s, root); strings.Contains(got, ".tmp") {
		t.Errorf("left %q", got)
	}
}

// TestNameNodes: addresses come from Hadoop's settings.
func TestNameNodes(t *testing.T) {
	settings := Settings{
		"fs.defaultFS": "hdfs://pair/user", "dfs.nameservices": "pair,one ,none", "dfs.ha.namenodes.pair": "a, b",
		"dfs.namenode.rpc-address.pair.a": "h1:9000", "dfs.namenode.rpc-address.pair.b": "h2",
		"dfs.namenode.rpc-address.one": "h3:1", "dfs.ha.namenodes.half": "a",
	}
	for root, want := range map[string]string{
		"hdfs://": "h1:9000 h2:8020", "hdfs://pair": "h1:9000 h2:8020", "hdfs://one": "h3:1",
		"hdfs://host": "host:8020", "hdfs://host:1": "host:1", "hdfs://[::1]": "[::1]:8020", "hdfs://[::1]:2": "[::1]:2",
		"hdfs://none": "dfs.namenode.rpc-address.none", "hdfs://half": "dfs.namenode.rpc-address.half.a",
	} {
		s, err := openHDFS(root, settings)
		if err != nil {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %s", root, err, want)
			}
			continue
		}
		if got := strings.Join(s.(HDFS).nameNodes, " "); got != want {
			t.Errorf("%s: %s, want %s", root, got, want)
		}
	}
	for _, defaultFS := range []string{"", "file:///", "s3a://bucket/", "hdfs:///"} {
		if _, err := openHDFS("hdfs://", Settings{"fs.defaultFS": defaultFS}); err == nil || !strings.Contains(err.Error(), "fs.defaultFS") {
			t.Errorf("fs.defaultFS %q: %v", defaultFS, err)
		}
	}
	for _, s := range []Settings{{"fs.permissions.umask-mode": "u=rwx"}, {"fs.permissions.umask-mode": "9"}} {
		if _, err := openHDFS("hdfs://h", s); err == nil {
			t.Errorf("%v was accepted", s)
		}
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{"1": 1, "128m": 128 << 20, "1G": 1 << 30, "2k": 2048, "": 0, "m": 0, "-1": 0, "1x": 0, "0": 0, "9999999t": 0} {
		if got, err := parseSize(text); want == 0 && err == nil || want != 0 && (got != want || err != nil) {
			t.Errorf("%q: %d, %v, want %d", text, got, err, want)
		}
	}
}
