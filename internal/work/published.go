package work

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"tfos/internal/infer"
	"tfos/internal/store"
)

// readPublished reads the manifest of a published output, whose parts are all
// there and of this identity; nil: there is no output, or one that is not complete.
func readPublished(ctx context.Context, st store.Store, o Output, identity infer.Identity) (*manifest, error) {
	if unfinished, err := store.Interrupted(ctx, st, o.Final); unfinished || err != nil {
		return nil, err
	}
	if _, err := st.Stat(ctx, o.Final); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	const remedy = "say output.if_exists: replace, or choose another output"
	refuse := func(format string, args ...any) error {
		return &OutputError{o, fmt.Sprintf("cannot be resumed: %s: %s", fmt.Sprintf(format, args...), remedy)}
	}
	var m manifest
	if err := readJSON(ctx, st, o.Final+"/"+manifestName, &m); err != nil {
		return nil, refuse("nothing in it says what made it (%v)", err)
	}
	if _, err := st.Stat(ctx, o.Final+"/_SUCCESS"); err != nil {
		return nil, refuse("it has no _SUCCESS: it is not complete")
	}
	if !m.Made.Known() {
		return nil, refuse("it was made by a version of tfos that did not note with which settings, or by Spark without output.if_exists: resume")
	}
	if other := identity.Differences(m.Made); len(other) > 0 {
		return nil, refuse("it was made with something else: %s", strings.Join(other, ", "))
	}
	sizes, err := sizesIn(ctx, st, o.Final)
	if err != nil {
		return nil, err
	}
	for _, p := range m.Parts {
		if name := whole(ctx, st, part{Part: p, folder: o.Final}, sizes); name != "" {
			return nil, refuse("%s is not in it as it was written", name)
		}
	}
	return &m, nil
}

// whole names the first file of a part that is not there as it was written, ""
// when all are. sizes are those of the data files, and perhaps of the quarantine.
func whole(ctx context.Context, st store.Store, p part, sizes map[string]int64) string {
	for _, f := range p.Data() {
		if size, ok := sizes[p.path(f.Output)]; !ok || size != f.Bytes {
			return f.Output
		}
	}
	if q := p.Info().Quarantine; q != nil {
		if _, ok := sizes[p.path(q.Output)]; ok {
			return ""
		}
		if _, err := st.Stat(ctx, p.path(q.Output)); err != nil {
			return q.Output
		}
	}
	return ""
}
