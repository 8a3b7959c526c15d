package job

import "testing"

// TestLockedModelDir: which folders one run at a time trains in.
func TestLockedModelDir(t *testing.T) {
	for dir, want := range map[string]string{
		"s3://b/model": "s3://b/model", "hdfs:///model": "hdfs:///model", "/jobs/model": "", "file:///jobs/model": "", "viewfs://c/model": "",
	} {
		if got := spec(t, Train, trainBase, "model_dir="+dir).lockedModelDir(); got != want {
			t.Errorf("%s: %q", dir, got)
		}
	}
}
