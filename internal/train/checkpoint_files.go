package train

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"tfos/internal/model"
	"tfos/internal/store"
)

func nameOf(step int64) string { return fmt.Sprintf("ckpt-%d", step) }

// pathOf returns the prefix of the checkpoint of a step.
func (c *Checkpoints) pathOf(step int64) string { return c.dir + "/" + nameOf(step) }

// publish gives the files of a new checkpoint their names. The .meta file is first, so
// that what a kill leaves is known to be ours.
func (c *Checkpoints) publish(ctx context.Context, staging string, step int64) error {
	if problem := model.CheckpointProblem(staging + "/" + nameOf(step)); problem != "" {
		return fmt.Errorf("TensorFlow has not written it: %s", problem)
	}
	data, err := c.store.Match(ctx, store.Literal(staging+"/"+nameOf(step))+".data-*")
	if err != nil {
		return err
	}
	if err := c.claim(ctx, step); err != nil {
		return err
	}
	if err := c.writeMeta(ctx, step); err != nil {
		return err
	}
	for _, file := range data {
		if err := c.store.Publish(ctx, file.Path, c.dir+"/"+path.Base(file.Path), false); err != nil {
			return err
		}
	}
	return c.store.Publish(ctx, staging+"/"+nameOf(step)+".index", c.pathOf(step)+".index", false)
}

// claim removes what we have left of a step. Files of its checkpoint that are not ours
// are fs.ErrExist.
func (c *Checkpoints) claim(ctx context.Context, step int64) error {
	steps, err := c.ours(ctx)
	if err != nil {
		return err
	}
	if slices.Contains(steps, step) {
		return c.remove(ctx, step)
	}
	others, err := c.store.Match(ctx, store.Literal(c.pathOf(step))+".{index,data-*-of-*}")
	if err == nil && len(others) > 0 {
		err = fmt.Errorf("%s is there, without a .meta file: another program wrote it: %w", others[0].Path, fs.ErrExist)
	}
	return err
}

// writeMeta writes the .meta file of a checkpoint: a link to that of the checkpoint
// before, where there is one.
func (c *Checkpoints) writeMeta(ctx context.Context, step int64) error {
	to, before := c.pathOf(step)+".meta", c.linked
	c.linked = to
	if before != "" && c.store.Link(ctx, before, to) == nil {
		return nil
	}
	return store.WriteFile(ctx, c.store, to, c.meta)
}

var ownName = regexp.MustCompile(`^ckpt-([0-9]{1,18})\.meta$`)

// ours returns the steps of our checkpoints, the highest first, complete or not.
func (c *Checkpoints) ours(ctx context.Context) ([]int64, error) {
	files, err := c.store.Match(ctx, store.Literal(c.dir)+"/ckpt-*.meta")
	var steps []int64
	for _, f := range files {
		if m := ownName.FindStringSubmatch(path.Base(f.Path)); m != nil {
			step, _ := strconv.ParseInt(m[1], 10, 64)
			steps = append(steps, step)
		}
	}
	slices.Sort(steps)
	slices.Reverse(steps)
	return steps, err
}

// forget deletes our checkpoints that are not complete, and all but the newest keep.
// That of saved is the newest. The file "checkpoint" then names those that are left.
func (c *Checkpoints) forget(ctx context.Context, saved int64) error {
	steps, err := c.ours(ctx)
	if err != nil {
		return err
	}
	kept := []int64{saved}
	var old []int64
	for _, step := range steps {
		switch {
		case step == saved:
		case len(kept) < c.keep && model.CheckpointProblem(c.pathOf(step)) == "":
			kept = append(kept, step)
		default:
			old = append(old, step)
		}
	}
	if err := store.WriteFile(ctx, c.store, c.dir+"/checkpoint", stateText(kept)); err != nil {
		return err
	}
	for _, step := range old {
		if err := c.remove(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

// stateText is a CheckpointState in text format
// (tensorflow/python/training/checkpoint_state.proto). steps begin with the newest.
func stateText(steps []int64) []byte {
	var text strings.Builder
	fmt.Fprintf(&text, "model_checkpoint_path: %q\n", nameOf(steps[0]))
	for _, step := range slices.Backward(steps) {
		fmt.Fprintf(&text, "all_model_checkpoint_paths: %q\n", nameOf(step))
	}
	return []byte(text.String())
}

// remove deletes one of our checkpoints: its index first, so that nobody takes the rest
// for a checkpoint, and its .meta file last, by which the rest is known to be ours.
func (c *Checkpoints) remove(ctx context.Context, step int64) error {
	if err := c.store.Remove(ctx, c.pathOf(step)+".index"); err != nil {
		return err
	}
	if err := c.removeMatches(ctx, "/"+nameOf(step)+".data-*-of-*"); err != nil {
		return err
	}
	return c.store.Remove(ctx, c.pathOf(step)+".meta")
}

// removeMatches deletes what matches a pattern below the folder.
func (c *Checkpoints) removeMatches(ctx context.Context, pattern string) error {
	found, err := c.store.Match(ctx, store.Literal(c.dir)+pattern)
	for _, one := range found {
		if err := c.store.Remove(ctx, one.Path); err != nil {
			return err
		}
	}
	return err
}
