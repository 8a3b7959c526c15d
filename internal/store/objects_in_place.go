package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// Stages of an output that is written in place, as its journal has them. Only the owner of
// the journal changes the folder.
//
//	looking    nothing is done. An output may be there
//	writing    the folder has nothing but files of this output, and signs
//	complete   all files are there. The signs are deleted, and then _SUCCESS is written
type stage string

const (
	looking  stage = "looking"
	writing  stage = "writing"
	complete stage = "complete"
)

// inPlace is what a journal says of an output that is written in place.
type inPlace struct {
	Stage stage    `json:"stage"`
	Signs []string `json:"signs"` // paths below the folder
}

// filling is the InPlace of an object store.
type filling struct {
	o       *Objects
	folder  string // path
	journal *objectLock
	ended   bool
}

// writeInPlace implements WriteInPlace.
func (o *Objects) writeInPlace(ctx context.Context, folder string, signs signs, lease time.Duration) (InPlace, error) {
	if o.key(folder) == "" {
		return nil, fmt.Errorf("store: write in place %s: it is a bucket, not a folder", folder)
	}
	// The last renewal may be a third of a lease before the end of the process.
	lease = max(o.lease, lease+o.lease/2)
	journal, err := o.inherit(ctx, folder, lease)
	if err != nil {
		return nil, err
	}
	if journal != nil {
		p := *journal.content.Publishing
		if p.InPlace != nil && p.InPlace.Stage == writing {
			journal.keep(ctx)
			f := &filling{o: o, folder: folder, journal: journal}
			for _, old := range p.InPlace.Signs { // of another format, perhaps
				if !slices.Contains(signs.names, old) {
					signs.names = append(signs.names, old)
				}
			}
			return f, f.begin(ctx, signs)
		}
		if err := o.finish(ctx, journal); err != nil {
			return nil, err
		}
	}
	if journal, err = o.begin(ctx, folder, publication{Final: o.key(folder), InPlace: &inPlace{Stage: looking}}, lease); err != nil {
		return nil, err
	}
	journal.keep(ctx)
	f := &filling{o: o, folder: folder, journal: journal}
	there, err := exists(ctx, o, folder)
	if err == nil && there {
		err = fmt.Errorf("store: write in place %s: %w", folder, fs.ErrExist)
	}
	if err != nil {
		return nil, errors.Join(err, journal.Close())
	}
	return f, f.begin(ctx, signs)
}

// begin notes that the folder is written from now on, and puts the signs into it.
func (f *filling) begin(ctx context.Context, signs signs) error {
	err := f.advance(ctx, inPlace{writing, signs.names})
	for _, name := range signs.names {
		if err == nil {
			err = f.o.put(ctx, f.folder+"/"+name, []byte(signs.text))
		}
	}
	if err != nil {
		return errors.Join(err, f.Leave(ctx))
	}
	return nil
}

// advance writes into the journal how far the output is.
func (f *filling) advance(ctx context.Context, to inPlace) error {
	if err := f.held(); err != nil {
		return err
	}
	return f.journal.change(ctx, func(c *lockContent) { c.Publishing = &publication{Final: f.o.key(f.folder), InPlace: &to} })
}

// held returns an error if another process may have the folder now.
func (f *filling) held() error {
	select {
	case <-f.journal.done:
		if f.journal.lost == nil {
			return fmt.Errorf("store: write in place %s: somebody has deleted %s", f.folder, f.journal.path)
		}
		return f.journal.lost
	default:
		return nil
	}
}

// Keep implements InPlace. It deletes markers too: see filledFolders.
func (f *filling) Keep(ctx context.Context, stays func(name string) bool) (map[string]int64, error) {
	if err := f.held(); err != nil {
		return nil, err
	}
	return f.o.keep(ctx, f.folder, stays)
}

// keep deletes what is in a folder, but for signs and what stays. It returns the sizes of
// that.
func (o *Objects) keep(ctx context.Context, folder string, stays func(name string) bool) (map[string]int64, error) {
	all, err := o.objects(ctx, folder)
	if err != nil {
		return nil, err
	}
	prefix := below(o.key(folder))
	kept := map[string]int64{}
	var others []string
	for _, object := range all {
		switch name := strings.TrimPrefix(object.Key, prefix); {
		case Unfinished(name):
		case name != "" && !strings.HasSuffix(name, "/") && stays(name):
			kept[name] = object.Size
		default:
			others = append(others, object.Key)
		}
	}
	return kept, o.deleteKeys(ctx, folder, others)
}

// nothing stays.
func nothing(string) bool { return false }

// Complete implements InPlace.
func (f *filling) Complete(ctx context.Context) error {
	if f.ended {
		return nil
	}
	if err := f.advance(ctx, inPlace{complete, f.journal.content.Publishing.InPlace.Signs}); err != nil {
		return errors.Join(err, f.Leave(ctx))
	}
	return f.Drop(ctx)
}

// Drop implements InPlace. It does what the journal's stage says.
func (f *filling) Drop(ctx context.Context) error {
	if f.ended {
		return nil
	}
	err := f.held()
	if err == nil {
		err = f.o.endInPlace(ctx, f.journal)
	}
	if err != nil {
		return errors.Join(err, f.Leave(ctx))
	}
	f.ended = true
	return f.journal.Close()
}

// Leave implements InPlace.
func (f *filling) Leave(ctx context.Context) error {
	if !f.ended {
		f.ended = true
		f.journal.give(ctx)
	}
	return nil
}

// endInPlace ends an output whose journal this process holds: it does the rest for one that
// is complete, and deletes another one. It may begin again at any time.
func (o *Objects) endInPlace(ctx context.Context, journal *objectLock) error {
	p := *journal.content.Publishing
	folder := o.url(p.Final)
	var signs []string
	for _, name := range p.InPlace.Signs {
		signs = append(signs, p.Final+"/"+name)
	}
	switch p.InPlace.Stage {
	case writing:
		if _, err := o.keep(ctx, folder, nothing); err != nil {
			return err
		}
		return o.deleteKeys(ctx, folder, signs)
	case complete:
		if err := o.deleteKeys(ctx, folder, signs); err != nil {
			return err
		}
		return MarkSuccess(ctx, o, folder)
	}
	return nil
}
