package store

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// shortCircuit are the settings of a client that reads blocks of this host from their files.
func shortCircuit(socket string) Settings {
	return Settings{"dfs.client.read.shortcircuit": "true", "dfs.domain.socket.path": socket, "dfs.blocksize": "1m"}
}

// TestHDFSShortCircuit: with short-circuit reads HDFS does what every store does, and all
// blocks are read from their files.
func TestHDFSShortCircuit(t *testing.T) {
	t.Parallel()
	root, socket := remoteServer(t, "TFOS_TEST_HDFS"), remoteServer(t, "TFOS_TEST_HDFS_SOCKET")
	opened, err := openHDFS(root, shortCircuit(socket))
	if err != nil {
		t.Fatal(err)
	}
	s := opened.(HDFS)
	conformance(t, s, newFolder(s, root))
	path := newFolder(s, root)(t) + "/a"
	data := randomBytes(3<<20 + 12345)
	if err := writeIn(s, path, data); err != nil {
		t.Fatal(err)
	}
	if got := content(t, s, path); got != string(data) {
		t.Errorf("%d bytes, which differ", len(got))
	}
	readAtPlaces(t, s, path, data)
	if local, remote := s.dataNodes.Local.Load(), s.dataNodes.Remote.Load(); local < 4 || remote != 0 {
		t.Errorf("%d blocks from files, %d over the network", local, remote)
	}
	direct, _ := realHDFS(t)
	if got := content(t, direct, path); got != string(data) || direct.dataNodes.Local.Load() != 0 {
		t.Errorf("without the settings: %d bytes, %d blocks from files", len(got), direct.dataNodes.Local.Load())
	}
}

// readAtPlaces compares a file at random places, from several goroutines.
func readAtPlaces(t *testing.T, s HDFS, path string, data []byte) {
	t.Helper()
	h, err := s.OpenAt(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() {
			for range 40 {
				at := rand.IntN(len(data))
				p := make([]byte, rand.IntN(min(1<<rand.IntN(21), len(data)-at))+1)
				if n, err := h.ReadAt(t.Context(), p, int64(at)); err != nil && err != io.EOF || !bytes.Equal(p[:n], data[at:at+n]) {
					t.Errorf("%d bytes from %d: %d, %v", len(p), at, n, err)
				}
			}
		})
	}
	group.Wait()
}

// startLocal starts a name node and a data node, which gives clients of this host the files of
// blocks. It returns the settings of clients.
func startLocal(t *testing.T) (*hadoopServers, Settings) {
	t.Helper()
	c := newServers(t)
	ports := freePorts(t, 2)
	folder, err := os.MkdirTemp("", "sc") // a short path: a socket's name has 108 bytes at most
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	settings := shortCircuit(folder + "/dn._PORT")
	settings["fs.defaultFS"], settings["dfs.replication"] = "hdfs://"+ports[0], "1"
	c.options = []string{"-Djava.library.path=" + remoteServer(t, "TFOS_TEST_HADOOP_NATIVE")}
	c.configure(settings, Settings{
		"dfs.namenode.http-address": ports[1], "dfs.namenode.name.dir": "file://" + c.folder + "/nn", "dfs.datanode.data.dir": "file://" + c.folder + "/dn",
	})
	c.run(nameNodeClass, "-format", "-force", "-nonInteractive")
	c.start("nn", nameNodeClass)
	c.start("dn", localDataNode)
	awaitWritable(t, func() HDFS { return openLocal(t, settings) }, "hdfs:///ready")
	return c, settings
}

// localDataNode is a data node whose socket may be anywhere.
const localDataNode = "../../scripts/stores/LocalDataNode.java"

func openLocal(t *testing.T, settings Settings) HDFS {
	t.Helper()
	opened, err := openHDFS("hdfs://", settings)
	if err != nil {
		t.Fatal(err)
	}
	s := opened.(HDFS)
	s.retry.total = 3 * time.Second
	return s
}

// TestHDFSLocalBlocks: a file that is read from the files of its blocks is what it was when
// it was opened, while it is appended to, replaced, and after its data node has died. A block
// that has become wrong gives an error.
func TestHDFSLocalBlocks(t *testing.T) {
	t.Parallel()
	servers, settings := startLocal(t)
	s := openLocal(t, settings)
	data := randomBytes(1<<20 - 1000) // one block, whose last chunk has other bytes after an append
	const path = "hdfs:///data/a"
	write(t, s, path, string(data))

	reader := readSome(t, s, path, data)
	for range 3 {
		if err := s.Append(t.Context(), path, []byte("more")); err != nil {
			t.Fatal(err)
		}
		data := string(data) + "more"
		if got := content(t, s, path); !strings.HasPrefix(got, data) {
			t.Errorf("appended to: %d bytes, which differ", len(got))
		}
	}
	if got := drain(t, reader); got != string(data[1000:]) {
		t.Errorf("appended to while it was read: %d bytes, which differ", len(got))
	}

	write(t, s, "hdfs:///data/b", string(data))
	reader = readSome(t, s, "hdfs:///data/b", data)
	other := bytes.Repeat([]byte("x"), len(data))
	write(t, s, "hdfs:///data/b", string(other))
	if got, err := io.ReadAll(reader); err == nil && !bytes.Equal(got, data[1000:]) {
		t.Errorf("replaced while it was read: %d bytes, which differ", len(got))
	}
	_ = reader.Close()
	if got := content(t, s, "hdfs:///data/b"); got != string(other) {
		t.Errorf("replaced: %d bytes, which differ", len(got))
	}

	write(t, s, "hdfs:///data/c", string(data))
	if got := content(t, s, "hdfs:///data/c"); got != string(data) { // its files are open now
		t.Errorf("%d bytes, which differ", len(got))
	}
	change(t, servers.folder+"/dn", data, 600_000)
	plain := openLocal(t, Settings{"fs.defaultFS": settings["fs.defaultFS"]})
	for name, s := range map[string]HDFS{"short-circuit": s, "over the network": plain} {
		r, err := s.Open(t.Context(), "hdfs:///data/c")
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		_ = r.Close()
		if err == nil || len(got) > 600_000 || !bytes.Equal(got, data[:len(got)]) {
			t.Errorf("%s: a byte of a block has changed: %d bytes, %v", name, len(got), err)
		}
	}

	write(t, s, "hdfs:///data/d", string(data))
	reader = readSome(t, s, "hdfs:///data/d", data)
	servers.kill("dn")
	if got := drain(t, reader); got != string(data[1000:]) {
		t.Errorf("the data node has died: %d bytes, which differ", len(got))
	}
	if s.dataNodes.Local.Load() < 6 {
		t.Errorf("%d blocks were read from files", s.dataNodes.Local.Load())
	}
}

// readSome opens a file and reads 1,000 bytes.
func readSome(t *testing.T, s HDFS, path string, data []byte) io.ReadCloser {
	t.Helper()
	r, err := s.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 1000)
	if _, err := io.ReadFull(r, p); err != nil || !bytes.Equal(p, data[:1000]) {
		t.Fatalf("the first bytes: %v", err)
	}
	return r
}

// change changes a byte of each block with this content.
func change(t *testing.T, folder string, data []byte, at int) {
	t.Helper()
	changed := 0
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasPrefix(entry.Name(), "blk_") {
			return err
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, data) {
			return err
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		changed++
		_, err = f.WriteAt([]byte{data[at] ^ 1}, int64(at))
		return errors.Join(err, f.Close())
	})
	if err != nil || changed == 0 {
		t.Fatalf("%d blocks were changed: %v", changed, err)
	}
}
