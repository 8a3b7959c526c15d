package infer

import (
	"context"
	"errors"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/feed/files"
	"tfos/internal/model"
)

// write puts every record into the split's file, whose columns are the first
// one's. There is always one.
func (p *pipeline) write(ctx context.Context, from <-chan arrow.Record) (err error) {
	var w files.Writer
	defer func() {
		if w == nil {
			return
		}
		if closeErr := w.Close(); err == nil && closeErr != nil {
			err = p.writeError(closeErr)
		}
	}()
	for {
		record, ok, err := receive(ctx, from)
		if err != nil || !ok {
			return err
		}
		start := time.Now()
		if w == nil {
			w, err = files.NewWriter(p.req.Format, p.out, record.Schema(), files.WriteOptions{Memory: p.mem, Distinct: computed(p.bind, record.Schema())})
		}
		if err == nil {
			err = w.Write(record)
		}
		p.rows += record.NumRows()
		record.Release()
		p.clocks.write += time.Since(start)
		if err != nil {
			return p.writeError(err)
		}
	}
}

// computed are the outputs of floating types.
func computed(bind *model.Binding, schema *arrow.Schema) []string {
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

// writeError keeps the exit code of the file's own errors; what the writer says
// about columns is the data's fault.
func (p *pipeline) writeError(err error) error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	return atFile(exitData, "write the predictions for", p.split.Path, err)
}
