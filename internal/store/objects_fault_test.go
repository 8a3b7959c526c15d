package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"tfos/internal/store/bucket"
)

// onEach runs a test on each object store, through a proxy of its server. The time limits
// are short.
func onEach(t *testing.T, test func(t *testing.T, s *Objects, p *faultyProxy, root string)) {
	t.Helper()
	t.Parallel()
	kinds := []struct {
		name   string
		server func(testing.TB) string
		root   string
	}{
		{"S3", s3Server, s3Root},
		{"GCS", gcsServer, gcsRoot},
		{"Azure", azureServer, azureRoot},
	}
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			p, address := newProxy(t, kind.server(t))
			s := openBucket(t, kind.root, address)
			s.retry = retryPolicy{total: 20 * time.Second, first: 10 * time.Millisecond, most: 100 * time.Millisecond}
			test(t, s, p, newFolder(s, kind.root)(t))
		})
	}
}

// noise are bytes that differ everywhere.
func noise(size int) []byte {
	data := make([]byte, size)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(data) // it never fails
	return data
}

func writeBytes(t *testing.T, s Store, path string, data []byte) {
	t.Helper()
	f, err := s.Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	for piece := range slices.Chunk(data, 1_000_003) {
		if _, err := f.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
}

// TestReadGoesOn: a read whose connection breaks goes on at its offset.
func TestReadGoesOn(t *testing.T) {
	onEach(t, func(t *testing.T, s *Objects, p *faultyProxy, root string) {
		data := noise(3 << 20)
		writeBytes(t, s, root+"/a", data)
		p.set(times(2, isGet, cutRead(1<<20)))
		if got := content(t, s, root+"/a"); got != string(data) {
			t.Errorf("%d bytes that differ", len(got))
		}
		seen := p.seen()
		if len(seen) != 3 || strings.HasSuffix(seen[1], " ") || strings.HasSuffix(seen[1], "=0-") {
			t.Errorf("requests %q: want a first one and two that go on", seen)
		}
		h, err := s.OpenAt(t.Context(), root+"/a")
		if err != nil {
			t.Fatal(err)
		}
		p.set(times(1, isGet, cutRead(1000)))
		part := make([]byte, 1<<20)
		if _, err := h.ReadAt(t.Context(), part, 777); err != nil || !bytes.Equal(part, data[777:777+1<<20]) {
			t.Errorf("a range: %v", err)
		}
	})
}

// TestReadPinned: a file that changes while it is read is an error, and not a mixture.
func TestReadPinned(t *testing.T) {
	onEach(t, func(t *testing.T, s *Objects, p *faultyProxy, root string) {
		data := noise(2 << 20)
		writeBytes(t, s, root+"/a", data)
		h, err := s.OpenAt(t.Context(), root+"/a")
		if err != nil {
			t.Fatal(err)
		}
		p.set(times(1, isGet, func(p *faultyProxy, w http.ResponseWriter, r *http.Request) {
			cutRead(1<<20)(p, w, r)
		}))
		body, err := s.Open(t.Context(), root+"/a")
		if err != nil {
			t.Fatal(err)
		}
		defer body.Close()
		if _, err := io.ReadFull(body, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		slices.Reverse(data)
		writeBytes(t, s, root+"/a", data)
		if _, err := io.ReadAll(body); !errors.Is(err, bucket.ErrChanged) || !strings.Contains(fmt.Sprint(err), root+"/a") {
			t.Errorf("a changed file: %v", err)
		}
		if _, err := h.ReadAt(t.Context(), make([]byte, 10), 5); !errors.Is(err, bucket.ErrChanged) {
			t.Errorf("a changed file, read at an offset: %v", err)
		}
	})
}

// TestWriteGoesOn: a part whose connection breaks is sent again.
func TestWriteGoesOn(t *testing.T) {
	onEach(t, func(t *testing.T, s *Objects, p *faultyProxy, root string) {
		data := noise(2*partSize + 12345)
		p.set(times(2, isWrite, cutWrite))
		writeBytes(t, s, root+"/a", data)
		if seen := len(p.seen()); seen < 5 {
			t.Errorf("%d requests: the fault did not happen", seen)
		}
		p.set(nil)
		if got := content(t, s, root+"/a"); got != string(data) {
			t.Errorf("%d bytes of %d, or others", len(got), len(data))
		}
	})
}

// TestWriteKeepsItsBuffers: a file of many parts is written from the buffers of a few, also
// after a part that had to be sent again.
func TestWriteKeepsItsBuffers(t *testing.T) {
	s := openBucket(t, s3Root, s3Server(t)) // this process's other allocations would count
	root := newFolder(s, s3Root)(t)
	p, address := newProxy(t, s3Server(t))
	faulty := openBucket(t, s3Root, address)
	faulty.retry = retryPolicy{total: 20 * time.Second, first: 10 * time.Millisecond, most: 100 * time.Millisecond}
	const parts = 16
	part := noise(partSize)
	write := func(s *Objects, name string) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f, err := s.Create(t.Context(), root+name)
		for i := 0; err == nil && i < parts; i++ {
			part[0] = byte(i)
			_, err = f.Write(part)
		}
		if err == nil {
			err = f.Commit()
		}
		if err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	if made := write(s, "/a"); made > parts/2*partSize+32<<20 {
		t.Errorf("%d parts took %d MiB of buffers", parts, made>>20)
	}
	p.set(times(3, isWrite, cutWrite))
	write(faulty, "/b")
	p.set(nil)
	for _, name := range []string{"/a", "/b"} {
		got := content(t, s, root+name)
		if len(got) != parts*partSize {
			t.Fatalf("%s has %d bytes", name, len(got))
		}
		for i := range parts {
			if at := i * partSize; got[at] != byte(i) || got[at+1:at+partSize] != string(part[1:]) {
				t.Errorf("%s: part %d has other bytes", name, i)
			}
		}
	}
}

// TestLostAnswers: a call that was done, and whose answer was lost, has its effect once.
func TestLostAnswers(t *testing.T) {
	onEach(t, func(t *testing.T, s *Objects, p *faultyProxy, root string) {
		sends := func(r *http.Request) bool { return r.Method == http.MethodPut || r.Method == http.MethodPost }
		write(t, s, root+"/log", "one\n")
		p.set(times(1, sends, loseAnswer))
		if err := s.Append(t.Context(), root+"/log", []byte("two\n")); err != nil {
			t.Fatalf("append: %v", err)
		}
		if got := content(t, s, root+"/log"); got != "one\ntwo\n" {
			t.Errorf("appended %q", got)
		}
		p.set(times(1, sends, loseAnswer))
		lock, err := s.Lock(t.Context(), root+"/lock")
		if err != nil {
			t.Fatalf("lock: %v", err)
		}
		if err := lock.Close(); err != nil {
			t.Errorf("unlock: %v", err)
		}
		p.set(times(1, sends, loseAnswer))
		if err := s.Link(t.Context(), root+"/log", root+"/linked"); err != nil {
			t.Errorf("link: %v", err)
		}
	})
}

// TestLostCompletion: an upload whose completion was done, and whose answer was lost, is
// complete. The test server of GCS forgets a complete upload, which GCS does not.
func TestLostCompletion(t *testing.T) {
	onEach(t, func(t *testing.T, s *Objects, p *faultyProxy, root string) {
		if strings.HasPrefix(root, "gs:") {
			return
		}
		completes := func(r *http.Request) bool {
			query := r.URL.Query()
			return r.Method == http.MethodPost && query.Has("uploadId") || query.Get("comp") == "blocklist"
		}
		p.set(times(1, completes, loseAnswer))
		data := noise(partSize + 1)
		writeBytes(t, s, root+"/a", data)
		p.set(nil)
		if got := content(t, s, root+"/a"); got != string(data) {
			t.Errorf("%d bytes of %d", len(got), len(data))
		}
	})
}

// TestSlowDown: a store that is busy is asked again, not before the time that it names.
func TestSlowDown(t *testing.T) {
	onEach(t, func(t *testing.T, s *Objects, p *faultyProxy, root string) {
		write(t, s, root+"/a", "one")
		p.set(times(2, always, refuse(http.StatusServiceUnavailable, "<Error><Code>SlowDown</Code></Error>", "Retry-After", "1")))
		begin := time.Now()
		if _, err := s.Stat(t.Context(), root+"/a"); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took < 2*time.Second {
			t.Errorf("two calls were repeated after %s", took)
		}
		s.slow, s.retry.total = 2*time.Second, 2*time.Second
		p.set(times(1000, always, refuse(http.StatusServiceUnavailable, "")))
		_, err := s.Stat(t.Context(), root+"/a")
		if err == nil || !strings.Contains(err.Error(), "stat "+root+"/a: gave up after ") || !strings.Contains(err.Error(), "503") {
			t.Errorf("a store that stays busy: %v", err)
		}
		p.set(times(1000, always, refuse(http.StatusServiceUnavailable, "", "Retry-After", "3600")))
		if _, err := s.Stat(t.Context(), root+"/a"); err == nil || len(p.seen()) != 1 {
			t.Errorf("a pause of an hour: %d calls, %v", len(p.seen()), err)
		}
	})
}

// TestStalled: a store that does not answer, or stops in mid-read, is asked again.
func TestStalled(t *testing.T) {
	onEach(t, func(t *testing.T, s *Objects, p *faultyProxy, root string) {
		data := noise(2 << 20)
		writeBytes(t, s, root+"/a", data)
		s.slow = time.Second
		hang := func(_ *faultyProxy, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
		p.set(times(1, always, hang))
		if info, err := s.Stat(t.Context(), root+"/a"); err != nil || info.Size != 2<<20 {
			t.Errorf("no answer: %v", err)
		}
		p.set(times(1, isGet, func(p *faultyProxy, w http.ResponseWriter, r *http.Request) {
			answer := p.forward(r)
			defer answer.Body.Close()
			copyHeader(w, answer)
			_, _ = io.CopyN(w, answer.Body, 1<<20)
			_ = http.NewResponseController(w).Flush()
			hang(p, w, r)
		}))
		if got := content(t, s, root+"/a"); got != string(data) {
			t.Errorf("%d bytes that differ", len(got))
		}
		p.set(times(1000, always, hang))
		s.slow, s.retry.total = 200*time.Millisecond, time.Second
		begin := time.Now()
		_, err := s.Stat(t.Context(), root+"/a")
		if err == nil || !strings.Contains(err.Error(), "no answer within") || time.Since(begin) > 20*time.Second {
			t.Errorf("a dead store: %v after %s", err, time.Since(begin))
		}
	})
}

// TestTrickle: a store that is slow, and never stops, is waited for: one request reads all,
// and one writes a part.
func TestTrickle(t *testing.T) {
	onEach(t, func(t *testing.T, s *Objects, p *faultyProxy, root string) {
		data := noise(1 << 20)
		writeBytes(t, s, root+"/a", data)
		s.slow = 2 * time.Second
		slowly := func(w io.Writer, r io.Reader) {
			for range 20 {
				time.Sleep(150 * time.Millisecond) // 3 s in all
				_, _ = io.CopyN(w, r, 1<<20/20)
				if flusher, ok := w.(http.ResponseWriter); ok {
					_ = http.NewResponseController(flusher).Flush()
				}
			}
			_, _ = io.Copy(w, r)
		}
		p.set(times(1000, isGet, func(p *faultyProxy, w http.ResponseWriter, r *http.Request) {
			answer := p.forward(r)
			if answer == nil {
				return
			}
			defer answer.Body.Close()
			copyHeader(w, answer)
			slowly(w, answer.Body)
		}))
		begin := time.Now()
		if got := content(t, s, root+"/a"); got != string(data) || len(p.seen()) > 2 || time.Since(begin) < s.slow {
			t.Errorf("%d bytes in %d requests, %s", len(got), len(p.seen()), time.Since(begin))
		}
		p.set(times(1000, func(r *http.Request) bool { return r.ContentLength > 500_000 }, func(p *faultyProxy, w http.ResponseWriter, r *http.Request) {
			var body bytes.Buffer
			slowly(&body, r.Body)
			r.Body = io.NopCloser(&body)
			answer := p.forward(r)
			if answer == nil {
				return
			}
			defer answer.Body.Close()
			copyHeader(w, answer)
			_, _ = io.Copy(w, answer.Body)
		}))
		begin = time.Now()
		writeBytes(t, s, root+"/b", data)
		if spent := time.Since(begin); spent < time.Second {
			t.Errorf("written in %s", spent)
		}
		p.set(nil)
		if got := content(t, s, root+"/b"); got != string(data) {
			t.Errorf("%d bytes that differ", len(got))
		}
	})
}

// TestRefused: what does not pass is one call and one clear error.
func TestRefused(t *testing.T) {
	onEach(t, func(t *testing.T, s *Objects, p *faultyProxy, root string) {
		write(t, s, root+"/a", "one")
		expired := map[string]func(*faultyProxy, http.ResponseWriter, *http.Request){
			"s3":   refuse(400, "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"),
			"gs":   refuse(401, `{"error":{"message":"Invalid Credentials","errors":[{"reason":"authError"}]}}`),
			"abfs": refuse(403, "", "x-ms-error-code", "AuthenticationFailed"),
		}
		denied := map[string]func(*faultyProxy, http.ResponseWriter, *http.Request){
			"s3":   refuse(403, "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"),
			"gs":   refuse(403, `{"error":{"message":"no storage.objects.get access","errors":[{"reason":"forbidden"}]}}`),
			"abfs": refuse(403, "", "x-ms-error-code", "AuthorizationPermissionMismatch"),
		}
		scheme, _, _ := strings.Cut(root, ":")
		for _, c := range []struct {
			answer func(*faultyProxy, http.ResponseWriter, *http.Request)
			kind   error
		}{{expired[scheme], bucket.ErrCredentials}, {denied[scheme], bucket.ErrDenied}} {
			p.set(times(1000, always, c.answer))
			_, err := s.Open(t.Context(), root+"/a")
			if !errors.Is(err, c.kind) || !strings.Contains(fmt.Sprint(err), "read "+root+"/a: "+c.kind.Error()) || len(p.seen()) != 1 {
				t.Errorf("after %d calls: %v", len(p.seen()), err)
			}
			if _, err := s.List(t.Context(), root); !errors.Is(err, c.kind) {
				t.Errorf("list: %v", err)
			}
			if err := s.Publish(t.Context(), root+"/a", root+"/b", false); !errors.Is(err, c.kind) {
				t.Errorf("publish: %v", err)
			}
		}
	})
}

// TestNoBucket: a bucket that does not exist is not a file that does not exist.
func TestNoBucket(t *testing.T) {
	onEach(t, func(t *testing.T, s *Objects, p *faultyProxy, _ string) {
		wrong := strings.Replace(s.root, testBucket, "tfos-none", 1)
		other := openBucket(t, wrong, p.address)
		for what, err := range map[string]error{
			"stat":  errorOf(other.Stat(t.Context(), wrong+"/a")),
			"list":  errorOf(other.List(t.Context(), wrong+"/a/*")),
			"mkdir": other.Mkdir(t.Context(), wrong+"/a"),
			"write": WriteFile(t.Context(), other, wrong+"/a", []byte("x")),
		} {
			if !errors.Is(err, bucket.ErrNoBucket) || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

func errorOf[T any](_ T, err error) error { return err }

// faultyBucket fails from a call that changes something on, as if the process had died.
type faultyBucket struct {
	bucket.Bucket
	left *int // calls that still work
}

var errDead = errors.New("the process is dead")

func (b faultyBucket) alive() error {
	if *b.left <= 0 {
		return errDead
	}
	*b.left--
	return nil
}

func (b faultyBucket) Put(ctx context.Context, key string, data []byte, only bucket.Condition) (string, error) {
	if err := b.alive(); err != nil {
		return "", err
	}
	return b.Bucket.Put(ctx, key, data, only)
}

func (b faultyBucket) Copy(ctx context.Context, from bucket.Object, to string, only bucket.Condition) error {
	if err := b.alive(); err != nil {
		return err
	}
	return b.Bucket.Copy(ctx, from, to, only)
}

func (b faultyBucket) Delete(ctx context.Context, keys ...string) error {
	for _, key := range keys { // in mid-batch too
		if err := b.alive(); err != nil {
			return err
		}
		if err := b.Bucket.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// TestPublishKilled ends Publish after each of its changes. Whoever sees _SUCCESS sees a
// whole output, old or new, and the next run finishes.
func TestPublishKilled(t *testing.T) {
	onEach(t, func(t *testing.T, s *Objects, _ *faultyProxy, root string) {
		const old, fresh = "/final/Old /final/_SUCCESS /final/old /final/same", "/final/_SUCCESS /final/n0 /final/n1 /final/n2 /final/n3 /final/n4 /final/n5 /final/same /final/x/new"
		files := map[string]string{"/final/Old": "1", "/final/old": "1", "/final/same": "old", "/final/_SUCCESS": "", "/stage/x/new": "2", "/stage/same": "new", "/stage/_SUCCESS": ""}
		for i := range 6 { // more than a step: a copy of _SUCCESS among them is seen
			files[fmt.Sprint("/stage/n", i)] = "3"
		}
		step := 1
		if !strings.HasPrefix(root, "gs:") {
			step = 4 // the other test servers are slow
		}
		for dies := 0; ; dies += step {
			for name, text := range files {
				if err := WriteFile(t.Context(), s, root+name, []byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			left := dies
			dying := *s
			dying.bucket = faultyBucket{s.bucket, &left}
			err := dying.Publish(t.Context(), root+"/stage", root+"/final", true)
			files := everyFile(t, s, root)
			if strings.Contains(files, "/final/_SUCCESS") {
				seen := files[strings.Index(files, "/final/"):]
				seen, _, _ = strings.Cut(seen, " /stage")
				if same := content(t, s, root+"/final/same"); !(seen == old && same == "old" || seen == fresh && same == "new") {
					t.Fatalf("killed after %d changes: readers see %q, same is %q", dies, seen, same)
				}
			}
			if (err == nil) != (left > 0) && err != nil && !errors.Is(err, errDead) {
				t.Fatalf("killed after %d changes: %v", dies, err)
			}
			if err == nil {
				if files != fresh || dies < 10 {
					t.Errorf("after %d changes: %q", dies, files)
				}
				return
			}
			endLease(t, s, s.journal(root+"/final"))
			if err := Recover(t.Context(), s, root+"/final"); err != nil {
				t.Fatalf("killed after %d changes: the next run: %v", dies, err)
			}
			if _, err := s.Stat(t.Context(), root+"/stage/_SUCCESS"); err == nil { // it died before the journal
				if err := s.Publish(t.Context(), root+"/stage", root+"/final", true); err != nil {
					t.Fatal(err)
				}
			}
			if files := everyFile(t, s, root); files != fresh || content(t, s, root+"/final/same") != "new" {
				t.Fatalf("killed after %d changes, then finished: %q", dies, files)
			}
			if err := s.Remove(t.Context(), root+"/final"); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestPublishHeld: while a process publishes, nobody publishes or recovers there. Its journal is
// renewed, and a process that lost it stops.
func TestPublishHeld(t *testing.T) {
	onEach(t, func(t *testing.T, s *Objects, p *faultyProxy, root string) {
		write(t, s, root+"/stage/a", "first")
		write(t, s, root+"/other/a", "second")
		alive := *s
		alive.lease = 3 * time.Second
		goOn, copying := make(chan struct{}), make(chan struct{})
		isCopy := func(r *http.Request) bool {
			return r.Header.Get("X-Amz-Copy-Source") != "" || r.Header.Get("X-Ms-Copy-Source") != "" || strings.Contains(r.URL.Path, "/rewriteTo/")
		}
		p.set(times(1, isCopy, func(p *faultyProxy, w http.ResponseWriter, r *http.Request) {
			close(copying)
			<-goOn
			answer := p.forward(r)
			defer answer.Body.Close()
			copyHeader(w, answer)
			_, _ = io.Copy(w, answer.Body)
		}))
		first := make(chan error, 1)
		go func() { first <- alive.Publish(t.Context(), root+"/stage", root+"/final", true) }()
		<-copying
		// Longer than the lease: it is renewed.
		if err := s.Publish(t.Context(), root+"/other", root+"/final", true); !errors.Is(err, ErrLocked) {
			t.Errorf("a second one: %v", err)
		}
		close(goOn)
		if err := <-first; err != nil {
			t.Errorf("the first one: %v", err)
		}
		if got, left := content(t, s, root+"/final/a"), everyFile(t, s, root); got != "first" || left != "/final/a /other/a" {
			t.Errorf("%q, and there is %s", got, left)
		}
	})
}

// endLease writes the lock of a dead process, if there is one, as if its lease had ended.
func endLease(t *testing.T, s *Objects, path string) {
	t.Helper()
	l := s.newLock(path)
	content, etag, err := l.read(t.Context())
	if err == nil {
		l.content, l.etag = content, etag
		err = l.change(t.Context(), func(c *lockContent) { c.LeaseS = 0 })
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
}

// everyFile lists all objects but markers, hidden ones too.
func everyFile(t *testing.T, s *Objects, root string) string {
	t.Helper()
	keys, err := s.keys(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, key := range keys {
		if !strings.HasSuffix(key, "/") {
			files = append(files, strings.TrimPrefix(s.url(key), root))
		}
	}
	slices.Sort(files)
	return strings.Join(files, " ")
}

// TestObjectLockTakenOver: the lock of a dead process ends with its lease. Who lost a lock
// hears of it.
func TestObjectLockTakenOver(t *testing.T) {
	onEach(t, func(t *testing.T, s *Objects, _ *faultyProxy, root string) {
		short := *s
		short.lease = 6 * time.Second
		alive, err := short.Lock(t.Context(), root+"/alive")
		if err != nil {
			t.Fatal(err)
		}
		renewed := time.Now().Add(short.lease + time.Second)
		dead, err := s.Lock(t.Context(), root+"/lock")
		if err != nil {
			t.Fatal(err)
		}
		l := dead.(*objectLock)
		l.stop()
		<-l.done
		if _, err := s.Lock(t.Context(), root+"/lock"); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), l.content.Process) {
			t.Errorf("before the lease ended: %v", err)
		}
		l.content.LeaseS = 1 // now it ends
		if err := l.put(t.Context(), bucket.Condition{ETag: l.etag}); err != nil {
			t.Fatal(err)
		}
		deadline := time.Now().Add(30 * time.Second)
		var second io.Closer
		for second == nil {
			if second, err = s.Lock(t.Context(), root+"/lock"); err != nil && (!errors.Is(err, ErrLocked) || time.Now().After(deadline)) {
				t.Fatal(err)
			}
			if err != nil {
				second = nil
				time.Sleep(200 * time.Millisecond)
			}
		}
		if err := dead.Close(); !errors.Is(err, ErrLocked) {
			t.Errorf("who lost the lock: %v", err)
		}
		time.Sleep(time.Until(renewed))
		if _, err := s.Lock(t.Context(), root+"/alive"); !errors.Is(err, ErrLocked) {
			t.Errorf("a renewed lock was taken over: %v", err)
		}
		if err := errors.Join(second.Close(), alive.Close()); err != nil {
			t.Error(err)
		}
	})
}
