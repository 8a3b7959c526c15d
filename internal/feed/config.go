package feed

// Config describes one named feed of a member. The launcher's plan has it in
// the member's configuration.
type Config struct {
	Name string `json:"name"`
	// QueueBytes bounds the Arrow bytes held for this feed between feed tasks
	// and the program.
	QueueBytes int64 `json:"queue_bytes"`
	// BatchRows is the number of rows of one step of one worker. The low-water
	// mark counts such steps.
	BatchRows int `json:"batch_rows"`
	// Epochs is how often a member reads its share of the feed, where it reads it itself.
	// 0: feed tasks send the rows, and the driver decides.
	Epochs int `json:"epochs,omitempty"`
	// QuotaRows is the number of rows that each member ("worker:0") may take
	// from the feed in all epochs. Absent or 0 means no limit.
	QuotaRows map[string]int64 `json:"quota_rows,omitempty"`
	// Synchronous feeds hand out step s only when every worker holds s batches.
	Synchronous bool `json:"synchronous"`
	// CacheBytes bounds the file that keeps the first epoch for later epochs. 0
	// means that it is not kept.
	CacheBytes int64 `json:"cache_bytes,omitempty"`
	// ShuffleRows is the size of the program's shuffle buffer in rows; 0: none.
	ShuffleRows int   `json:"shuffle_rows"`
	ShuffleSeed int64 `json:"shuffle_seed"`
	// Mapping lists column and tensor name, in the order of the columns read.
	// Empty means every column under its own name.
	Mapping [][2]string `json:"mapping,omitempty"`
}

// minChunkRows keeps frames of small batches worth their overhead.
const minChunkRows = 32

// ChunkRows returns how many rows a feed task puts into a chunk, for batches of batchRows
// rows.
func ChunkRows(batchRows int) int { return max(minChunkRows, batchRows) }
