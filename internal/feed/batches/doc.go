// Package batches gives a graph program the rows of its member's feeds, in batches.
//
// Comes in: chunks of rows over the program's connections to its member
// (feed.Chunks). Goes out: Arrow records of exactly batch_rows rows, the last one
// shorter (train.Batches), and the account of rows trained and of the pace.
//
// It is what scripts/tfos/rows.py, arrays.py, feed.py and replay.py are for Python
// programs. No row is touched unless rows are shuffled or a batch lies in two
// chunks: a record is a view of the chunk where the member or the feed task has
// written it, and the chunk's memory is given back when the record is released.
//
// Terms:
//
//   - piece: the rows of one chunk, as a record.
//   - run: rows of a piece that follow each other. A batch is a list of runs.
//   - stock: the runs that come next.
//   - group: batches that are handed over together, to save wake-ups of threads.
//
// Where things are: batches.go is a feed that is read once, load.go the goroutine
// that makes its batches ahead; passes.go is a feed that is read again and again,
// recording.go its file; decode.go makes records of chunks, stock.go cuts batches,
// shuffle.go mixes rows, join.go copies runs into one record; pace.go counts.
package batches
