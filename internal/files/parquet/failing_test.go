package parquet

import (
	"tfos/internal/files/codec"
)

func failReads(r codec.Reader, err error) {
	r.(*reader).source.Read = func([]byte, int64) (int, error) { return 0, err }
}

// promiseRows makes a reader's footer promise another number of rows.
func promiseRows(r codec.Reader, n int64) {
	p := r.(*reader)
	p.total = n
	for _, l := range p.leaves {
		open := l.open
		l.open = func(group int) (chunk, error) {
			got, err := open(group)
			got.rows = n
			return got, err
		}
	}
}
