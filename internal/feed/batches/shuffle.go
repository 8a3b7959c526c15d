package batches

import (
	"math/rand/v2"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/train"
)

// shuffle holds up to so many rows of one epoch, and hands them out permuted, each
// exactly once: arrays.ShuffleBuffer of scripts/tfos in Go. When it is full, all its
// rows are permuted and half of them handed out. The other half mixes with the rows
// that come next. The order depends on the seed, the worker, the epoch, and the
// order and sizes of the pieces.
type shuffle struct {
	mem    memory.Allocator
	rows   int64
	epoch  int
	random *rand.Rand
	held   []run
	count  int64 // rows in held
}

func newShuffle(mem memory.Allocator, rows int, seed int64, worker, epoch int) *shuffle {
	source := rand.NewPCG(uint64(seed), uint64(worker)<<32|uint64(uint32(epoch)))
	return &shuffle{mem: mem, rows: int64(rows), epoch: epoch, random: rand.New(source)}
}

// push takes a piece. It returns the rows that are handed out now.
func (s *shuffle) push(p *piece) ([]run, error) {
	n := p.record.NumRows()
	s.held = append(s.held, run{p, 0, n, s.epoch})
	s.count += n
	if s.count < s.rows {
		return nil, nil
	}
	mixed := s.mix()
	stay := s.rows / 2
	out, kept := mixed[:s.count-stay], mixed[s.count-stay:]
	s.held, s.count = nil, 0
	if stay == 0 {
		return out, nil
	}
	// The rows that stay move together, because each piece is held until its last
	// row is gone.
	record, err := join(s.mem, kept)
	if err != nil {
		s.held, s.count = mixed, int64(len(mixed))
		return nil, err
	}
	dropRuns(kept)
	s.held, s.count = []run{{newPiece(record, train.Place{}), 0, stay, s.epoch}}, stay
	return out, nil
}

// flush returns the rest.
func (s *shuffle) flush() []run {
	mixed := s.mix()
	s.held, s.count = nil, 0
	return mixed
}

func (s *shuffle) drop() {
	dropRuns(s.held)
	s.held, s.count = nil, 0
}

// mix returns the rows held, permuted, as runs of one row each.
func (s *shuffle) mix() []run {
	mixed := make([]run, 0, s.count)
	for _, r := range s.held {
		for i := range r.n {
			mixed = append(mixed, run{r.piece, r.from + i, 1, r.epoch})
		}
	}
	s.random.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
	return mixed
}
