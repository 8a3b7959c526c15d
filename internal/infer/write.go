package infer

import (
	"context"
	"errors"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/exit"
	"tfos/internal/files"
	"tfos/internal/model"
)

// write puts every record into the split's file, whose columns are the first
// one's, and bad rows into its quarantine. There is always a record.
func (p *pipeline) write(ctx context.Context, from <-chan computed) (err error) {
	var w files.Writer
	defer func() {
		closeErr := p.quarantine.close()
		if w != nil {
			closeErr = errors.Join(closeErr, w.Close())
		}
		if err == nil && closeErr != nil {
			err = p.writeError(closeErr)
		}
	}()
	for {
		c, ok, err := receive(ctx, from)
		if err != nil || !ok {
			return err
		}
		start := time.Now()
		if record := c.record; record != nil {
			if w == nil {
				w, err = files.NewWriter(p.req.Format, p.out, record.Schema(), files.WriteOptions{Memory: p.mem, Distinct: floating(p.bind, record.Schema())})
			}
			if err == nil {
				err = w.Write(record)
			}
			p.rows.Rows += record.NumRows()
		}
		if err == nil {
			err = p.addBadRows(ctx, c)
		}
		c.release()
		p.clocks.write += time.Since(start)
		if err != nil {
			return p.writeError(err)
		}
	}
}

// floating returns the columns of outputs of floating types.
func floating(bind *model.Binding, schema *arrow.Schema) []string {
	var names []string
	for i, out := range bind.Outputs {
		t := schema.Field(len(bind.Keep) + i).Type
		for nested, ok := t.(arrow.ListLikeType); ok; nested, ok = t.(arrow.ListLikeType) {
			t = nested.Elem()
		}
		if arrow.IsFloating(t.ID()) {
			names = append(names, out.Column)
		}
	}
	return names
}

// addBadRows counts a batch's bad rows. If the request wants it, it writes them into
// the quarantine.
func (p *passage) addBadRows(ctx context.Context, c computed) error {
	if len(c.bad) == 0 {
		return nil
	}
	if p.first == nil {
		p.first = &c.bad[0]
	}
	for _, bad := range c.bad {
		if bad.graph {
			p.rows.GraphFailed++
		}
	}
	if p.req.OnBadRow == Skip {
		p.rows.Skipped += int64(len(c.bad))
		return nil
	}
	before := p.quarantine.rows
	err := p.quarantine.addBadRows(ctx, p, c)
	p.rows.Quarantined += p.quarantine.rows - before
	return err
}

// writeError keeps the exit code of the output file's own errors. Errors of the
// format's writer about columns are the data's fault.
func (p *passage) writeError(err error) error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	return atFile(exit.BadData, "write the predictions for", p.from.place(), err)
}
