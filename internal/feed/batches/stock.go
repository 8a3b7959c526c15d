package batches

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/train"
)

// piece is the rows of one chunk, or rows that the shuffle has put together.
type piece struct {
	record arrow.Record
	place  train.Place // of the record's first row; Rows is not set
	left   int64       // rows that are neither cut nor dropped; then record is released
}

func newPiece(record arrow.Record, place train.Place) *piece {
	return &piece{record: record, place: place, left: record.NumRows()}
}

// use counts n rows as cut or dropped.
func (p *piece) use(n int64) {
	if p.left -= n; p.left == 0 {
		p.record.Release()
	}
}

// run is n rows of a piece that follow each other.
type run struct {
	piece   *piece
	from, n int64
	epoch   int
}

// batch is a train.Batch, and how many of its rows are from each epoch.
type batch struct {
	train.Batch
	epochs []epochRows
}

type epochRows struct {
	epoch int
	rows  int64
}

// stock is the rows that come next, in their order. It is not safe for concurrent
// use.
type stock struct {
	mem    memory.Allocator
	placed bool // batches say where their rows are from
	runs   []run
	rows   int64
}

func (s *stock) add(runs ...run) {
	for _, r := range runs {
		s.runs = append(s.runs, r)
		s.rows += r.n
	}
}

// cut returns the next n rows, which are there, as a batch. It shares memory with
// the piece if all are in one.
func (s *stock) cut(n int64) (batch, error) {
	taken := s.takeRuns(n)
	record, err := join(s.mem, taken)
	if err != nil {
		return batch{}, err
	}
	b := batch{Batch: train.Batch{Rows: record, Epoch: taken[len(taken)-1].epoch}, epochs: countEpochs(taken)}
	if s.placed {
		b.Places = places(taken)
	}
	dropRuns(taken)
	return b, nil
}

// copies reports whether cut(n) copies rows, because no piece has them all.
func (s *stock) copies(n int64) bool { return s.runs[0].n < n }

// takeRuns removes the next n rows from the stock.
func (s *stock) takeRuns(n int64) []run {
	s.rows -= n
	count := 0
	for left := n; left > 0; count++ {
		r := &s.runs[count]
		if r.n <= left {
			left -= r.n
			continue
		}
		taken := append(s.runs[:count:count], run{r.piece, r.from, left, r.epoch})
		r.from, r.n = r.from+left, r.n-left
		s.runs = s.runs[count:]
		return taken
	}
	taken := s.runs[:count:count]
	s.runs = s.runs[count:]
	return taken
}

// drop removes all rows.
func (s *stock) drop() {
	dropRuns(s.runs)
	s.runs, s.rows = nil, 0
}

func dropRuns(runs []run) {
	for _, r := range runs {
		r.piece.use(r.n)
	}
}

func countEpochs(runs []run) []epochRows {
	var out []epochRows
	for _, r := range runs {
		if last := len(out) - 1; last >= 0 && out[last].epoch == r.epoch {
			out[last].rows += r.n
		} else {
			out = append(out, epochRows{r.epoch, r.n})
		}
	}
	return out
}

func places(runs []run) []train.Place {
	var out []train.Place
	for _, r := range runs {
		at := train.Place{Partition: r.piece.place.Partition, First: r.piece.place.First + r.from, Rows: r.n}
		if last := len(out) - 1; last >= 0 && out[last].Partition == at.Partition && out[last].First+out[last].Rows == at.First {
			out[last].Rows += r.n
		} else {
			out = append(out, at)
		}
	}
	return out
}
