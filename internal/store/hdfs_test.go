package store

import "testing"

// realHDFS returns the store of the HDFS that scripts/stores.sh has started, and its URL.
func realHDFS(t testing.TB) (HDFS, string) {
	t.Helper()
	root := remoteServer(t, "TFOS_TEST_HDFS")
	s, err := openHDFS(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s.(HDFS), root
}

func TestHDFS(t *testing.T) {
	t.Parallel()
	s, root := realHDFS(t)
	conformance(t, s, newFolder(s, root))
}
