package store

import "testing"

func TestDir(t *testing.T) {
	for path, want := range map[string]string{
		"/a/b":              "/a",
		"/a":                "/",
		"a":                 ".",
		"s3://bucket/a/b":   "s3://bucket/a",
		"s3://bucket/a":     "s3://bucket/",
		"s3://bucket":       "s3://bucket/",
		"hdfs:///a/b":       "hdfs:///a",
		"hdfs://h:8020/a/b": "hdfs://h:8020/a",
		"file:///a/b":       "file:///a",
	} {
		if got := Dir(path); got != want {
			t.Errorf("Dir(%q) = %q, want %q", path, got, want)
		}
	}
}

func TestRemote(t *testing.T) {
	for path, want := range map[string]bool{"/a": false, "file:///a": false, "FILE:///a": false, "s3://b/a": true, "a": false} {
		if got := Remote(path); got != want {
			t.Errorf("Remote(%q) = %v, want %v", path, got, want)
		}
	}
}

func TestSchemesAreThoseOfOpeners(t *testing.T) {
	for scheme := range openers {
		if !Knows(scheme + "://host/a") {
			t.Errorf("schemes has no %s, which openers has", scheme)
		}
	}
	for scheme := range schemes {
		if openers[scheme] == nil {
			t.Errorf("schemes has %s, which openers has not", scheme)
		}
	}
}

func TestCanonical(t *testing.T) {
	for path, want := range map[string]string{
		"hdfs:/a/b":       "hdfs:///a/b",
		"HDFS:/a":         "HDFS:///a",
		"hdfs:///a":       "hdfs:///a",
		"s3://b/a":        "s3://b/a",
		"file:/a":         "file:/a",
		"viewfs:/a":       "viewfs:/a",
		"/a/hdfs:/b":      "/a/hdfs:/b",
		"with colon:/and": "with colon:/and",
	} {
		if got := Canonical(path); got != want {
			t.Errorf("%s becomes %s, want %s", path, got, want)
		}
	}
}

func TestTemporary(t *testing.T) {
	for name, want := range map[string]bool{temporaryOf("ckpt-1.index"): true, temporaryOf(".hidden"): true, "a.tmp-1": false, ".tfos-lock": false, ".a.tmp-": false} {
		if got := Temporary(name); got != want {
			t.Errorf("Temporary(%q) = %v, want %v", name, got, want)
		}
	}
}
