package job

import (
	"context"
	"errors"

	"tfos/internal/files"
	"tfos/internal/store"
)

// TellFormats gives sources without a format the one that their files have,
// where this machine sees them (see Check). The error is a Faults: files that do
// not tell their format, or that have several.
func TellFormats(ctx context.Context, s *Spec) error {
	if !s.readsHere() {
		return nil
	}
	r := &rules{s: s}
	for _, src := range s.sources() {
		if !s.untold(src) || !store.Knows(src.Path) {
			continue
		}
		format, err := files.Tell(ctx, src.Path)
		switch {
		case err == nil:
			src.Format = string(format)
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, files.ErrUntold) && s.InputMode != modeTensorFlow:
			r.broken(join(src.path, "format"), "", "%v: say it by this key", err)
		}
	}
	return Faults(r.faults).err()
}
