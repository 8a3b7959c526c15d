package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"tfos/internal/store/bucket"
)

// Publish implements Store by copies on the server. Nothing changes before the journal
// says what will. Then the old entry is deleted, the files of staging are copied, its
// top folder and _SUCCESS last, and staging is deleted. A reader that waits for _SUCCESS
// never sees a part of an output. A file is one copy, which readers see at once.
//
// If the process dies or a copy fails, staging is complete, and the next Publish onto
// final, or Recover, does the rest. Callers must not publish onto
// one final twice at a time.
func (o *Objects) Publish(ctx context.Context, staging, final string, replace bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if o.key(final) == "" {
		return fmt.Errorf("store: publish %s: it is a bucket, not a file or folder", final)
	}
	if err := o.Recover(ctx, final); err != nil {
		return err
	}
	source, err := o.Stat(ctx, staging)
	if err != nil {
		return err
	}
	old, err := o.Stat(ctx, final)
	switch {
	case err == nil && !replace:
		return fmt.Errorf("store: publish %s: %w", final, fs.ErrExist)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if !source.Dir {
		return o.publishFile(ctx, staging, final, err == nil && old.Dir)
	}
	j := journal{Staging: o.key(staging), Final: o.key(final)}
	if err := o.writeJournal(ctx, j); err != nil {
		return err
	}
	return o.finish(ctx, j)
}

// publishFile publishes one object. overFolder: a folder has its name now.
func (o *Objects) publishFile(ctx context.Context, staging, final string, overFolder bool) error {
	source, err := o.head(ctx, staging)
	if err != nil {
		return err
	}
	if err := o.copy(ctx, source, final, bucket.Condition{}); err != nil {
		return err
	}
	if overFolder {
		if err := o.Remove(ctx, final+"/"); err != nil {
			return err
		}
	}
	return o.deleteSome(ctx, staging, []string{source.Key})
}

// journal says that a folder is being published. Its object is beside the folder:
// .NAME.publishing.
type journal struct {
	Staging string `json:"staging"` // keys
	Final   string `json:"final"`
	Copied  bool   `json:"copied"` // final is complete. What is left of staging is deleted
}

func journalKey(final string) string {
	dir, name := path.Split(final)
	return dir + "." + name + ".publishing"
}

func (o *Objects) writeJournal(ctx context.Context, j journal) error {
	data, err := json.Marshal(j)
	if err != nil {
		return fmt.Errorf("store: publish %s: %w", o.url(j.Final), err)
	}
	return o.put(ctx, o.url(journalKey(j.Final)), data)
}

// Recover finishes a Publish onto a path that was interrupted. Without one it does
// nothing.
func (o *Objects) Recover(ctx context.Context, final string) error {
	at := o.url(journalKey(o.key(final)))
	data, err := o.readAll(ctx, at)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	j := journal{}
	if err := json.Unmarshal(data, &j); err != nil || j.Final != o.key(final) || j.Staging == "" {
		return fmt.Errorf("store: publish %s: %s is not a journal of tfos: remove it", final, at)
	}
	return o.finish(ctx, j)
}

// finish does what a journal says. It may begin again at any time.
func (o *Objects) finish(ctx context.Context, j journal) error {
	staged, err := o.objects(ctx, o.url(j.Staging))
	if err != nil {
		return err
	}
	if !j.Copied {
		if len(staged) == 0 {
			return fmt.Errorf("store: publish %s: it was interrupted, and its staging folder %s is gone: remove %s and %s",
				o.url(j.Final), o.url(j.Staging), o.url(j.Final), o.url(journalKey(j.Final)))
		}
		if err := o.replaceBy(ctx, j, staged); err != nil {
			return fmt.Errorf("%w. The output is complete in %s, and the next run publishes it", err, o.url(j.Staging))
		}
		j.Copied = true
		if err := o.writeJournal(ctx, j); err != nil {
			return err
		}
	}
	if err := o.Remove(ctx, o.url(j.Staging)); err != nil {
		return err
	}
	return o.deleteSome(ctx, o.url(j.Final), []string{journalKey(j.Final)})
}

// objects returns the objects below a path, markers too.
func (o *Objects) objects(ctx context.Context, path string) (all []bucket.Object, err error) {
	err = o.each(ctx, path, bucket.ListRequest{Prefix: below(o.key(path))}, func(page bucket.Page) { all = append(all, page.Objects...) })
	return all, err
}

// replaceBy deletes what final has, _SUCCESS first, and copies staged to it.
func (o *Objects) replaceBy(ctx context.Context, j journal, staged []bucket.Object) error {
	final := o.url(j.Final)
	if err := o.deleteSome(ctx, final, []string{j.Final + "/" + successName}); err != nil {
		return err
	}
	if err := o.Remove(ctx, final); err != nil {
		return err
	}
	steps := make([][]bucket.Object, 3) // folders, the top folder, _SUCCESS
	filled := filledFolders(staged)
	for _, object := range staged {
		if filled[object.Key] {
			continue
		}
		name := strings.TrimPrefix(object.Key, j.Staging+"/")
		step := 0
		switch {
		case name == successName:
			step = 2
		case !strings.Contains(name, "/"):
			step = 1
		}
		steps[step] = append(steps[step], object)
	}
	for _, step := range steps {
		if err := o.copyAll(ctx, j, step); err != nil {
			return err
		}
	}
	return nil
}

// filledFolders returns the markers' keys of folders that have something in them. They need
// no marker: some readers take one for a file, as Arrow does on Azure.
func filledFolders(objects []bucket.Object) map[string]bool {
	filled := map[string]bool{}
	for _, object := range objects {
		at := strings.TrimSuffix(object.Key, "/")
		for slash := strings.LastIndexByte(at, '/'); slash >= 0; slash = strings.LastIndexByte(at, '/') {
			at = at[:slash]
			filled[at+"/"] = true
		}
	}
	return filled
}

// successName is the file that MarkSuccess writes.
const successName = "_SUCCESS"

// copyAll copies objects of staging to their places in final.
func (o *Objects) copyAll(ctx context.Context, j journal, staged []bucket.Object) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(o.bucket.Limits().Copies)
	for _, object := range staged {
		to := o.url(j.Final + "/" + strings.TrimPrefix(object.Key, j.Staging+"/"))
		group.Go(func() error {
			if strings.HasSuffix(object.Key, "/") {
				return o.mark(ctx, to)
			}
			return o.copy(ctx, object, to, bucket.Condition{})
		})
	}
	return group.Wait()
}

// copyTime is the time limit of one copy on the server.
func copyTime(size int64) time.Duration {
	return callTime + time.Duration(size/copyRate)*time.Second
}

// copyRate is the slowest copy on a server that is waited for, in bytes/s.
const copyRate = 10 << 20
