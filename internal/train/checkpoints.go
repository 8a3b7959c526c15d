package train

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"tfos/internal/exit"
	"tfos/internal/model"
	"tfos/internal/store"
)

// Checkpoints are the checkpoints in a model_dir, as tf.train.CheckpointManager names
// them: ckpt-<step>, and the file "checkpoint", by which tf.train.latest_checkpoint
// finds the newest. A .meta file beside each has the graph, so that the folder is a
// model.
//
// A checkpoint's files have these names when it is complete, its index last. The
// folder may have other files and checkpoints. They are never changed. Checkpoints of
// Checkpoints are those named ckpt-<step> with a .meta file.
type Checkpoints struct {
	store  store.Store
	dir    string
	keep   int
	meta   []byte
	linked string // path of the last .meta file that was written
}

// OpenCheckpoints returns the checkpoints in dir, which need not exist. Save keeps the
// newest keep of them, and at least one. meta is the content of their .meta files (see
// model.MetaFile).
func OpenCheckpoints(dir string, keep int, meta []byte) (*Checkpoints, error) {
	s, err := store.For(dir)
	if err != nil {
		return nil, fmt.Errorf("train: model_dir: %w", err)
	}
	return &Checkpoints{store: s, dir: strings.TrimRight(dir, "/"), keep: max(keep, 1), meta: meta}, nil
}

// numbered matches the index files of checkpoints, whoever wrote them.
var numbered = regexp.MustCompile(`^.*-([0-9]{1,18})\.index$`)

// Newest returns the newest complete checkpoint in a folder, which need not exist: of
// those whose names end in a step, the one with the highest. It may be another
// program's, such as model.ckpt-100. passedOver says of each newer one why it cannot be
// restored.
func Newest(dir string) (at Start, found bool, passedOver []string, err error) {
	s, err := store.For(dir)
	if err != nil {
		return Start{}, false, nil, fmt.Errorf("train: model_dir: %w", err)
	}
	files, err := s.Match(context.Background(), store.Literal(dir)+"/*.index")
	if err != nil {
		return Start{}, false, nil, fmt.Errorf("train: find checkpoints: %w", err)
	}
	for _, one := range byStep(files) {
		problem, err := checkpointProblem(one.Prefix)
		if err != nil {
			return Start{}, false, passedOver, err
		}
		if problem == "" {
			return one, true, passedOver, nil
		}
		passedOver = append(passedOver, fmt.Sprintf("%s is not complete: %s", one.Prefix, problem))
	}
	return Start{}, false, passedOver, nil
}

// checkpointProblem is model.CheckpointProblem of a checkpoint in any store.
func checkpointProblem(prefix string) (string, error) {
	local, remove, err := Outline(context.Background(), prefix)
	if errors.Is(err, fs.ErrNotExist) {
		return "it was deleted meanwhile", nil
	}
	if err != nil {
		return "", err
	}
	defer remove()
	return model.CheckpointProblem(local), nil
}

// byStep returns the checkpoints of index files, the highest step first, and of equal
// ones the newest.
func byStep(files []store.Info) (all []Start) {
	slices.SortFunc(files, func(x, y store.Info) int { return y.Modified.Compare(x.Modified) })
	for _, f := range files {
		if m := numbered.FindStringSubmatch(path.Base(f.Path)); m != nil {
			step, _ := strconv.ParseInt(m[1], 10, 64)
			all = append(all, Start{Prefix: strings.TrimSuffix(f.Path, ".index"), Step: step})
		}
	}
	slices.SortStableFunc(all, func(x, y Start) int { return cmp.Compare(y.Step, x.Step) })
	return all
}

// Save implements Saver. write gets a prefix in a folder that exists. Save gives the
// files that write has made their names, replaces the file "checkpoint", and deletes old
// checkpoints. After an error or a kill, the folder has the new checkpoint or those from
// before, and the next Save removes what is left over.
//
// Errors of write are returned as they are, but for a full file system. Others are
// *SaveError.
func (c *Checkpoints) Save(step int64, write func(prefix string) error) (prefix string, err error) {
	ctx := context.Background()
	staging := fmt.Sprintf("%s/.%s.saving-%x", c.dir, nameOf(step), rand.Uint64())
	err = errors.Join(c.removeMatches(ctx, "/.ckpt-*.saving-*"), c.removeMatches(ctx, "/.checkpoint.tmp-*"))
	if err == nil {
		err = c.store.Mkdir(ctx, staging)
	}
	if err != nil {
		return "", &SaveError{c.dir, err}
	}
	if err := write(staging + "/" + nameOf(step)); err != nil {
		return "", wrapNoRoom(c.dir, errors.Join(err, c.store.Remove(ctx, staging)))
	}
	err = c.publish(ctx, staging, step)
	if err == nil {
		err = c.forget(ctx, step)
	}
	if err = errors.Join(err, c.store.Remove(ctx, staging)); err != nil {
		return "", &SaveError{c.dir, err}
	}
	return c.pathOf(step), nil
}

// wrapNoRoom makes a *SaveError of the error of a full file system, and returns others as
// they are.
func wrapNoRoom(dir string, err error) error {
	if noRoom(err) {
		return &SaveError{dir, err}
	}
	return err
}

// noRoom reports whether a file system, or a user's part of it, is full.
func noRoom(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

var _ Saver = (*Checkpoints)(nil)

// SaveError says why a checkpoint could not get its name.
type SaveError struct {
	Dir string
	Err error
}

func (e *SaveError) Error() string {
	if noRoom(e.Err) {
		return fmt.Sprintf("train: no room is left for a checkpoint in %s: make room there, or name another model_dir", e.Dir)
	}
	return fmt.Sprintf("train: save a checkpoint in %s: %v", e.Dir, e.Err)
}

func (e *SaveError) Unwrap() error { return e.Err }

// ExitCode is 7: the output could not be written.
func (e *SaveError) ExitCode() exit.Code { return exit.Output }
