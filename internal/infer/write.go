package infer

import (
	"context"
	"errors"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
)

// rowGroupBytes is the compressed size after which a row group ends. It is held
// in memory until then.
const rowGroupBytes = 64 << 20

// write puts every record into the split's file, whose columns are the first
// one's. There is always one.
func (p *pipeline) write(ctx context.Context, from <-chan arrow.Record) (err error) {
	var w *pqarrow.FileWriter
	defer func() {
		if w == nil {
			return
		}
		if closeErr := guarded(w.Close); err == nil && closeErr != nil {
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
			w, err = newWriter(record.Schema(), p.out)
		}
		if err == nil {
			err = guarded(func() error { return addRecord(w, record) })
		}
		p.rows += record.NumRows()
		record.Release()
		p.clocks.write += time.Since(start)
		if err != nil {
			return p.writeError(err)
		}
	}
}

func newWriter(schema *arrow.Schema, out *output) (*pqarrow.FileWriter, error) {
	props := parquet.NewWriterProperties(
		parquet.WithCompression(compress.Codecs.Snappy),
		parquet.WithCreatedBy("tfos"),
	)
	return pqarrow.NewFileWriter(schema, out, props, pqarrow.DefaultWriterProps())
}

func addRecord(w *pqarrow.FileWriter, record arrow.Record) error {
	if w.RowGroupTotalCompressedBytes() >= rowGroupBytes {
		w.NewBufferedRowGroup()
	}
	return w.WriteBuffered(record)
}

// writeError keeps the exit code of the file's own errors; what the parquet
// library says about columns is the data's fault.
func (p *pipeline) writeError(err error) error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	return atFile(exitData, "write the predictions for", p.split.Path, err)
}
