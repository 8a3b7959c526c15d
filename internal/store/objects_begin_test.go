package store

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tfos/internal/store/bucket"
)

// TestBeginAt: one request opens a file and reads from it, also where its connection breaks,
// and later reads are of the same object.
func TestBeginAt(t *testing.T) {
	onEach(t, func(t *testing.T, s *Objects, p *faultyProxy, root string) {
		data := noise(3 << 20)
		writeBytes(t, s, root+"/a", data)
		write(t, s, root+"/empty", "")
		size := int64(len(data))
		for _, c := range []struct {
			path          string
			offset, want  int64 // want: bytes that come
			size          int64
			asked         int64
			most          int // requests
			fault         func(*faultyProxy, http.ResponseWriter, *http.Request) bool
			name, content string
		}{
			{"/a", 0, size, size, size, 1, nil, "all", string(data)},
			{"/a", size - 1000, 1000, size, 1000, 1, nil, "the end", string(data[size-1000:])},
			{"/a", size - 1000, 1000, size, 5000, 1, nil, "more than there is", string(data[size-1000:])},
			{"/a", 100, 50, size, 50, 1, nil, "the middle", string(data[100:150])},
			{"/a", 5, 2 << 20, size, 2 << 20, 2, times(1, isGet, cutRead(1<<20)), "after a reset", string(data[5 : 5+2<<20])},
			{"/a", 5, 10, size, 10, 3, times(2, always, refuse(http.StatusServiceUnavailable, "")), "after 503", string(data[5:15])},
			{"/a", size, 0, size, 10, 3, nil, "at its end", ""},
			{"/a", size + 7, 0, size, 10, 3, nil, "beyond its end", ""},
			{"/a", 0, 0, size, 0, 1, nil, "nothing", ""},
			{"/empty", 0, 0, 0, 10, 3, nil, "an empty file", ""},
		} {
			p.set(c.fault)
			got := make([]byte, c.asked)
			h, n, err := s.BeginAt(t.Context(), root+c.path, got, c.offset)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			if int64(n) != c.want || string(got[:n]) != c.content || h.Size() != c.size {
				t.Errorf("%s: %d bytes, want %d, of a file of %d", c.name, n, c.want, h.Size())
			}
			if seen := p.seen(); len(seen) > c.most {
				t.Errorf("%s: requests %q, want at most %d", c.name, seen, c.most)
			}
			if err := h.Close(); err != nil {
				t.Error(err)
			}
		}
		p.set(nil)
		h, _, err := s.BeginAt(t.Context(), root+"/a", make([]byte, 10), 7)
		if err != nil {
			t.Fatal(err)
		}
		part := make([]byte, 1000)
		if _, err := h.ReadAt(t.Context(), part, 777); err != nil || !bytes.Equal(part, data[777:1777]) {
			t.Errorf("a later read: %v", err)
		}
		write(t, s, root+"/a", "another file")
		if _, err := h.ReadAt(t.Context(), part[:5], 0); !errors.Is(err, bucket.ErrChanged) {
			t.Errorf("a later read of a changed file: %v", err)
		}
		if _, _, err := s.BeginAt(t.Context(), root+"/none", part, 0); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), root+"/none") {
			t.Errorf("no file: %v", err)
		}
		if _, _, err := s.BeginAt(t.Context(), root+"/a", part, -1); err == nil {
			t.Error("a negative offset is no error")
		}
		if _, _, err := s.BeginAt(t.Context(), s.root, part, 0); err == nil {
			t.Error("a bucket is read")
		}
	})
}

// TestBeginAtUnsized: an answer that does not say how large the object is costs another request.
func TestBeginAtUnsized(t *testing.T) {
	data := noise(5000)
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.Header.Get("Range"))
		recorded := httptest.NewRecorder()
		recorded.Header().Set("ETag", `"1"`)
		http.ServeContent(recorded, r, "", time.Unix(1, 0), bytes.NewReader(data))
		answer := recorded.Result()
		answer.Header.Del("Content-Range")
		copyHeader(w, answer)
		_, _ = w.Write(recorded.Body.Bytes())
	}))
	defer server.Close()
	s := openBucket(t, s3Root, server.URL)
	got := make([]byte, 100)
	h, n, err := s.BeginAt(t.Context(), s3Root+"/a", got, 1000)
	if err != nil || n != 100 || !bytes.Equal(got, data[1000:1100]) || h.Size() != 5000 {
		t.Errorf("%d bytes, %v, after %q", n, err, asked)
	}
	if len(asked) != 3 || asked[1] != "HEAD " {
		t.Errorf("requests %q", asked)
	}
}

// TestBeginAtShort: an answer with fewer bytes than it says is an error.
func TestBeginAtShort(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("Content-Range", "bytes 0-99/5000")
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(make([]byte, 50))
		_ = http.NewResponseController(w).Flush() // then the answer has no length
	}))
	defer server.Close()
	_, n, err := openBucket(t, s3Root, server.URL).BeginAt(t.Context(), s3Root+"/a", make([]byte, 100), 0)
	if n != 50 || err == nil || !strings.Contains(err.Error(), "/a at 0: 50 came") {
		t.Errorf("%d bytes, %v", n, err)
	}
}
