package store

import (
	"context"
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
// final, or Recover, does the rest. The journal is a lock, which the process renews: nobody
// does the rest while it lives.
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
	journal, err := o.begin(ctx, final, publication{Staging: o.key(staging), Final: o.key(final)}, o.lease)
	if err != nil {
		return err
	}
	return o.finish(ctx, journal)
}

// begin makes the journal of a publication that nothing has been done of. It is not renewed
// yet. The error is ErrLocked if there is a journal.
func (o *Objects) begin(ctx context.Context, final string, p publication, lease time.Duration) (*objectLock, error) {
	journal := o.newLock(o.journal(final))
	journal.lease, journal.content.LeaseS, journal.content.Publishing = lease, lease.Seconds(), &p
	err := journal.put(ctx, bucket.Condition{Absent: true})
	if errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("store: publish %s: another process publishes there: %w", final, ErrLocked)
	}
	return journal, err
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

// publication is what is being published. It is in the journal, an object beside the output
// with the name .NAME.publishing: a lock.
type publication struct {
	Final   string `json:"final"`             // keys
	Staging string `json:"staging,omitempty"` // "": the output is written in place
	Copied  bool   `json:"copied,omitempty"`  // final is complete. What is left of staging is deleted
	// InPlace says how far an output is that is written in place.
	InPlace *inPlace `json:"in_place,omitempty"`
}

// known reports whether a journal says what this process can finish.
func (p *publication) known(final string) bool {
	return p != nil && p.Final == final && (p.Staging != "") == (p.InPlace == nil)
}

// journal returns the path of the journal of a path.
func (o *Objects) journal(final string) string {
	dir, name := path.Split(o.key(final))
	return o.url(dir + "." + name + ".publishing")
}

// Recover finishes a Publish onto a path that was interrupted. Without one it does
// nothing. If the process may be alive, Recover waits until its lease has ended. The error
// is ErrLocked if the process is alive.
func (o *Objects) Recover(ctx context.Context, final string) error {
	journal, err := o.inherit(ctx, final, o.lease)
	if journal == nil || err != nil {
		return err
	}
	return o.finish(ctx, journal)
}

// inherit takes over the journal of a dead process. It waits until the lease of one that may
// be alive has ended. Without a journal it returns nil.
func (o *Objects) inherit(ctx context.Context, final string, lease time.Duration) (*objectLock, error) {
	journal := o.newLock(o.journal(final))
	journal.lease, journal.content.LeaseS = lease, lease.Seconds()
	err := journal.takeOver(ctx)
	var held *heldError
	if errors.As(err, &held) {
		if err := sleep(ctx, held.left+time.Second); err != nil { // times of stores have no fractions
			return nil, err
		}
		err = journal.takeOver(ctx)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !journal.content.Publishing.known(o.key(final)):
		return nil, fmt.Errorf("store: publish %s: %s is not a journal of tfos: remove it", final, journal.path)
	}
	return journal, nil
}

func (o *Objects) interrupted(ctx context.Context, final string) (bool, error) {
	return exists(ctx, o, o.journal(final))
}

// finish does what a journal says, which this process holds. It may begin again at any time.
func (o *Objects) finish(ctx context.Context, journal *objectLock) error {
	journal.keep(ctx)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // until the renewals end
		<-journal.done
		cancel()
	}()
	do := o.publish
	if journal.content.Publishing.InPlace != nil {
		do = o.endInPlace
	}
	err := do(ctx, journal)
	if err == nil {
		return journal.Close()
	}
	journal.give(ctx)
	return errors.Join(err, journal.lost)
}

// publish copies staging, if that is not done, and deletes it.
func (o *Objects) publish(ctx context.Context, journal *objectLock) error {
	p := *journal.content.Publishing
	if !p.Copied {
		staged, err := o.objects(ctx, o.url(p.Staging))
		if err != nil {
			return err
		}
		if len(staged) == 0 {
			if whole, err := o.untouched(ctx, p); whole || err != nil {
				return err
			}
			return fmt.Errorf("store: publish %s: it was interrupted, and its staging folder %s is gone: remove %s and %s",
				o.url(p.Final), o.url(p.Staging), o.url(p.Final), journal.path)
		}
		if err := o.replaceBy(ctx, p, staged); err != nil {
			return fmt.Errorf("%w. The output is complete in %s, and the next run publishes it", err, o.url(p.Staging))
		}
		p.Copied = true
		if err := journal.change(ctx, func(c *lockContent) { c.Publishing = &p }); err != nil {
			return err
		}
	}
	return o.Remove(ctx, o.url(p.Staging))
}

// untouched reports whether nothing of a publication was done but its journal: there is no
// output, or it has the _SUCCESS that would be deleted first.
func (o *Objects) untouched(ctx context.Context, p publication) (bool, error) {
	there, err := exists(ctx, o, o.url(p.Final))
	if err != nil || !there {
		return err == nil, err
	}
	return exists(ctx, o, o.url(p.Final+"/"+successName))
}

// objects returns the objects below a path, markers too.
func (o *Objects) objects(ctx context.Context, path string) (all []bucket.Object, err error) {
	err = o.each(ctx, path, bucket.ListRequest{Prefix: below(o.key(path))}, func(page bucket.Page) { all = append(all, page.Objects...) })
	return all, err
}

// replaceBy deletes what final has, _SUCCESS first, and copies staged to it.
func (o *Objects) replaceBy(ctx context.Context, p publication, staged []bucket.Object) error {
	final := o.url(p.Final)
	if err := o.deleteSome(ctx, final, []string{p.Final + "/" + successName}); err != nil {
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
		name := strings.TrimPrefix(object.Key, p.Staging+"/")
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
		if err := o.copyAll(ctx, p, step); err != nil {
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
func (o *Objects) copyAll(ctx context.Context, p publication, staged []bucket.Object) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(o.bucket.Limits().Copies)
	for _, object := range staged {
		to := o.url(p.Final + "/" + strings.TrimPrefix(object.Key, p.Staging+"/"))
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
