package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"
)

// inPlaceFiles are what a run writes in place, and a stray file that is not part of it.
var inPlaceFiles = []string{"/final/part-00000-r1.csv", "/final/part-00001-r1.csv", "/final/_quarantine/part-00000-r1.parquet"}

func isListed(name string) bool { return !strings.Contains(name, "stray") }

// fill writes an output in place, with a stray file, and ends it: InPlace.Complete or Drop.
func fill(ctx context.Context, s *Objects, root string, end func(InPlace, context.Context) error) error {
	f, err := s.writeInPlace(ctx, root+"/final", signs{signNames("csv"), signText("r1")}, 0)
	if err != nil {
		return err
	}
	if err := s.mark(ctx, root+"/final/_quarantine"); err != nil {
		return err
	}
	for _, name := range append([]string{"/final/stray-r0.csv"}, inPlaceFiles...) {
		if err := WriteFile(ctx, s, root+name, []byte("1")); err != nil {
			return err
		}
	}
	kept, err := f.Keep(ctx, isListed)
	if err != nil {
		return err
	}
	if len(kept) != len(inPlaceFiles) || kept["part-00000-r1.csv"] != 1 {
		return fmt.Errorf("kept %v", kept)
	}
	return end(f, ctx)
}

// TestInPlaceKilled ends a run that writes in place after each of its changes. At any moment
// there is a sign beside the files, or the output is whole. _SUCCESS comes last. What follows
// finds a whole output, or none.
func TestInPlaceKilled(t *testing.T) {
	onEach(t, func(t *testing.T, s *Objects, _ *faultyProxy, root string) {
		whole := strings.Join(slices.Sorted(slices.Values(append([]string{"/final/_SUCCESS"}, inPlaceFiles...))), " ")
		for dies := 0; ; dies++ {
			left := dies
			dying := *s
			dying.bucket = faultyBucket{s.bucket, &left}
			err := fill(t.Context(), &dying, root, InPlace.Complete)
			if err != nil && !errors.Is(err, errDead) {
				t.Fatalf("killed after %d changes: %v", dies, err)
			}
			files := everyFile(t, s, root)
			var data, signed []string
			for _, name := range strings.Fields(files) {
				switch {
				case Unfinished(name):
					signed = append(signed, name)
				case strings.HasPrefix(name, "/final/"):
					data = append(data, name)
				}
			}
			seen := strings.Join(data, " ")
			isWhole := seen == whole || "/final/_SUCCESS "+seen == whole
			if len(data) > 0 && !isWhole && len(signed) != 2 || seen == whole && len(signed) > 0 || seen != whole && strings.Contains(seen, "_SUCCESS") {
				t.Fatalf("killed after %d changes: readers see %q", dies, files)
			}
			if err == nil {
				if files != whole || dies < 12 {
					t.Errorf("after %d changes: %q", dies, files)
				}
				return
			}
			endLease(t, s, s.journal(root+"/final"))
			if err := Recover(t.Context(), s, root+"/final"); err != nil {
				t.Fatalf("killed after %d changes: the next run: %v", dies, err)
			}
			// All was there when the sign began to go: then the output is completed.
			if got := everyFile(t, s, root); got != "" && got != whole {
				t.Fatalf("killed after %d changes, then recovered: %q", dies, got)
			}
			if keys, err := s.keys(t.Context(), root+"/final"); err != nil || len(keys) > 4 {
				t.Fatalf("%v, %v", keys, err)
			}
			if err := s.Remove(t.Context(), root+"/final"); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestInPlaceDropKilled ends a run that drops its output, after each of its changes: readers
// find a sign as long as they find a file.
func TestInPlaceDropKilled(t *testing.T) {
	onEach(t, func(t *testing.T, s *Objects, _ *faultyProxy, root string) {
		for dies := 0; ; dies++ {
			left := dies
			dying := *s
			dying.bucket = faultyBucket{s.bucket, &left}
			err := fill(t.Context(), &dying, root, InPlace.Drop)
			if err != nil && !errors.Is(err, errDead) {
				t.Fatalf("killed after %d changes: %v", dies, err)
			}
			files := everyFile(t, s, root)
			if signed := strings.Count(files, "/final/part-0-unfinished.csv"); strings.Count(files, "/final/") > signed && signed != 2 {
				t.Fatalf("killed after %d changes: readers see %q", dies, files)
			}
			if err == nil {
				if files != "" || dies < 12 {
					t.Errorf("after %d changes: %q", dies, files)
				}
				return
			}
			endLease(t, s, s.journal(root+"/final"))
			if err := Recover(t.Context(), s, root+"/final"); err != nil {
				t.Fatalf("killed after %d changes: the next run: %v", dies, err)
			}
			if got := everyFile(t, s, root); got != "" {
				t.Fatalf("killed after %d changes, then recovered: %q", dies, got)
			}
			if err := s.Remove(t.Context(), root+"/final"); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestInPlaceHeld: while a process writes in place, nobody else writes or publishes there. What
// it leaves the next one takes over. An output that is there is never touched.
func TestInPlaceHeld(t *testing.T) {
	onEach(t, func(t *testing.T, s *Objects, _ *faultyProxy, root string) {
		short := *s
		short.lease = 3 * time.Second
		begin := func() (InPlace, error) {
			return short.writeInPlace(t.Context(), root+"/final", signs{signNames("parquet"), signText("r1")}, 0)
		}
		first, err := begin()
		if err != nil {
			t.Fatal(err)
		}
		write(t, s, root+"/final/part-00000-r1.parquet", "1")
		write(t, s, root+"/stage/a", "other")
		// Longer than the lease: it is renewed.
		if _, err := begin(); !errors.Is(err, ErrLocked) {
			t.Errorf("a second one: %v", err)
		}
		if err := short.Publish(t.Context(), root+"/stage", root+"/final", true); !errors.Is(err, ErrLocked) {
			t.Errorf("a publication: %v", err)
		}
		if unfinished, err := Interrupted(t.Context(), s, root+"/final"); !unfinished || err != nil {
			t.Errorf("unfinished %v, %v", unfinished, err)
		}
		if err := first.Leave(t.Context()); err != nil {
			t.Error(err)
		}
		next, err := begin()
		if err != nil {
			t.Fatal(err)
		}
		all := func(string) bool { return true }
		if kept, err := next.Keep(t.Context(), all); err != nil || len(kept) != 1 || kept["part-00000-r1.parquet"] != 1 {
			t.Errorf("taken over: %v, %v", kept, err)
		}
		if err := errors.Join(next.Complete(t.Context()), next.Drop(t.Context()), next.Leave(t.Context())); err != nil {
			t.Error(err)
		}
		if _, err := begin(); !errors.Is(err, fs.ErrExist) {
			t.Errorf("over an output: %v", err)
		}
		const want = "/final/_SUCCESS /final/part-00000-r1.parquet /stage/a"
		if got := everyFile(t, s, root); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

// TestInPlaceLost: a process that has lost its journal changes nothing any more.
func TestInPlaceLost(t *testing.T) {
	onEach(t, func(t *testing.T, s *Objects, _ *faultyProxy, root string) {
		short := *s
		short.lease = 300 * time.Millisecond
		f, err := short.writeInPlace(t.Context(), root+"/final", signs{signNames("parquet"), signText("r1")}, 0)
		if err != nil {
			t.Fatal(err)
		}
		write(t, s, root+"/final/part-00000-r1.parquet", "1")
		thief := s.newLock(s.journal(root + "/final"))
		_, etag, err := thief.read(t.Context())
		if err == nil {
			err = errors.Join(s.Remove(t.Context(), thief.path), WriteFile(t.Context(), s, thief.path, []byte(`{"owner":"other"}`)))
		}
		if err != nil || etag == "" {
			t.Fatal(err)
		}
		<-f.(*filling).journal.done
		_, keeps := f.Keep(t.Context(), nothing)
		if err := f.Complete(t.Context()); keeps == nil || err == nil {
			t.Errorf("%v, %v", keeps, err)
		}
		if got := everyFile(t, s, root+"/final"); !strings.Contains(got, "part-00000-r1") || strings.Contains(got, "_SUCCESS") {
			t.Error(got)
		}
	})
}

// TestSignNames: scripts/tests/test_stores_unfinished.py has the same names, and shows that
// readers fail.
func TestSignNames(t *testing.T) {
	for format, want := range map[string]string{
		"parquet": "part-0-unfinished.parquet", "orc": "part-0-unfinished.orc", "arrow": "part-0-unfinished.arrow", "tfrecord": "part-0-unfinished.tfrecord",
		"csv": "part-0-unfinished.csv.gz part-0-unfinished.csv", "json": "part-0-unfinished.json.gz part-0-unfinished.json",
	} {
		names := signNames(format)
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: %s, want %s", format, got, want)
		}
		for _, name := range names {
			// Readers that infer a schema look at the first file.
			if !Unfinished("s3://b/out/"+name) || name >= "part-00000-0" || hidden(name) {
				t.Errorf("%s is no sign, is hidden, or comes after a part", name)
			}
		}
	}
}
