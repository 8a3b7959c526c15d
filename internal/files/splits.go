package files

import (
	"context"

	"tfos/internal/store"
)

// OpenBytes is the cost of opening a file, in bytes of reading, as in Spark.
const OpenBytes = 4 << 20

// As in Spark, a task reads at most about splitBytes. For very large inputs
// splits are larger, because each split costs the driver several KB.
const (
	splitBytes = 128 << 20
	maxSplits  = 10_000
)

// SplitBytes returns the split size, in bytes, for this many concurrent tasks.
// Each file counts OpenBytes in addition to its size.
func (d *Dataset) SplitBytes(tasks int) int64 {
	var all int64
	for _, f := range d.files {
		all += f.Size + OpenBytes
	}
	return splitBytesOf(all, tasks)
}

func splitBytesOf(all int64, tasks int) int64 {
	return max(OpenBytes, min(splitBytes, all/int64(max(1, tasks))), all/maxSplits)
}

// Splits cuts the data set into pieces of about this many bytes. 0 makes each
// file one split. A file that cannot be read from the middle is one split.
func (d *Dataset) Splits(ctx context.Context, bytes int64) ([]Split, error) {
	var splits []Split
	for _, f := range d.files {
		if bytes <= 0 || f.Size <= bytes {
			splits = append(splits, cut(f, f.Size)...)
			continue
		}
		starts, err := d.codec.Starts(ctx, f, d.O)
		if err != nil {
			return nil, err
		}
		if starts == nil {
			splits = append(splits, cut(f, bytes)...)
		} else {
			splits = append(splits, cutAt(f, starts, bytes)...)
		}
	}
	return splits, nil
}

// cutAt divides a file into pieces of at least size bytes that begin at starts.
// Each piece has at least one unit of the format.
func cutAt(f store.Info, starts []int64, size int64) []Split {
	splits := []Split{{Path: f.Path}}
	for _, at := range starts {
		if last := &splits[len(splits)-1]; at-last.Offset >= size && at < f.Size {
			last.Length = at - last.Offset
			splits = append(splits, Split{Path: f.Path, Offset: at})
		}
	}
	last := &splits[len(splits)-1]
	last.Length = f.Size - last.Offset
	return splits
}

// cut divides a file into pieces of size bytes. An empty file is one piece, so
// that a reader reports what is wrong with it.
func cut(f store.Info, size int64) []Split {
	splits := []Split{{Path: f.Path, Length: min(size, f.Size)}}
	for at := size; at < f.Size; at += size {
		splits = append(splits, Split{Path: f.Path, Offset: at, Length: min(size, f.Size-at)})
	}
	return splits
}
