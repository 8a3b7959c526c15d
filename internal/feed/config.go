package feed

// Config is one named feed as a member receives it. The launcher's plan holds
// it in the member's configuration.
type Config struct {
	Name string `json:"name"`
	// QueueBytes bounds the Arrow bytes held for this feed between feed tasks
	// and the program.
	QueueBytes int64 `json:"queue_bytes"`
	// BatchRows is the rows of one step of one worker; it is what the
	// low-water mark counts in.
	BatchRows int `json:"batch_rows"`
	// QuotaRows is how many rows each member ("worker:0") may take from the
	// feed in all epochs; absent or 0: no limit.
	QuotaRows map[string]int64 `json:"quota_rows,omitempty"`
	// Synchronous feeds hand out step s only when every worker holds s batches.
	Synchronous bool `json:"synchronous"`
	// CacheBytes bounds the file in which the first epoch is kept for the later
	// ones; 0: it is not kept.
	CacheBytes int64 `json:"cache_bytes,omitempty"`
	// ShuffleRows is the size of the program's shuffle buffer in rows; 0: none.
	ShuffleRows int   `json:"shuffle_rows"`
	ShuffleSeed int64 `json:"shuffle_seed"`
	// Mapping is column -> tensor name, in the order of the columns read;
	// empty: every column under its own name.
	Mapping [][2]string `json:"mapping,omitempty"`
}
