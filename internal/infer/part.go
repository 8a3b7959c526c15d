package infer

import (
	"fmt"

	"tfos/internal/files"
)

// Split is a piece of input that one member reads and writes as one output
// file.
type Split struct {
	ID int `json:"id"` // names the output: part-00007.parquet
	files.Split
	Stamp // of the file
}

// Partition is a piece of input that Spark reads and writes.
type Partition struct {
	ID     int    `json:"id"`        // its number in Spark's job
	Digest string `json:"partition"` // one of Table.Partitions: what the partition reads
}

// Part is a finished part of an output, a line of its manifest: a SplitResult or a
// PartitionResult. All parts of one output are of one Kind, that of its Identity.
type Part interface {
	Info() PartInfo
	// Data are its data files, by their names in the output's folder.
	Data() []WrittenFile
	// String names the piece of input that it was made of, for messages.
	String() string
}

// PartInfo is what parts of all kinds have in common.
type PartInfo struct {
	ID int `json:"id"`
	Account
	Bytes int64  `json:"bytes"`         // of its data files
	Run   string `json:"run,omitempty"` // that made it
	// Quarantine is the file of the bad rows, FirstBad the first of them; nil: none.
	Quarantine *QuarantineFile `json:"quarantine,omitempty"`
	FirstBad   *BadRow         `json:"first_bad,omitempty"`
}

// SplitResult is the part that a member has made of a split.
type SplitResult struct {
	PartInfo
	Input  string `json:"input"`
	Offset int64  `json:"offset"`           // of the split in the input
	Length int64  `json:"length"`           // in bytes
	Output string `json:"output"`           // file name
	SHA256 string `json:"sha256,omitempty"` // of the output file
	Stamp         // of the input file
}

// PartitionResult is the part that Spark has written of a partition.
type PartitionResult struct {
	PartInfo
	Partition string        `json:"partition,omitempty"` // Partition.Digest
	Written   []WrittenFile `json:"written,omitempty"`
}

// WrittenFile is a data file of a part.
type WrittenFile struct {
	Output string `json:"output"` // in the output's folder: day=1/part-00007-….parquet
	Bytes  int64  `json:"bytes"`
}

// Info implements Part.
func (i PartInfo) Info() PartInfo { return i }

// Data implements Part.
func (s SplitResult) Data() []WrittenFile { return []WrittenFile{{s.Output, s.Bytes}} }

// Data implements Part.
func (p PartitionResult) Data() []WrittenFile { return p.Written }

func (s SplitResult) String() string { return fmt.Sprintf("split %d (%s)", s.ID, s.Input) }

func (p PartitionResult) String() string { return fmt.Sprintf("partition %d", p.ID) }

// Split is the piece of input that a part was made of.
func (s SplitResult) Split() Split {
	return Split{s.ID, files.Split{Path: s.Input, Offset: s.Offset, Length: s.Length}, s.Stamp}
}

// PartFiles are the names of everything that belongs to a part, in the output's
// folder.
func PartFiles(p Part) []string {
	var names []string
	for _, f := range p.Data() {
		names = append(names, f.Output)
	}
	if q := p.Info().Quarantine; q != nil {
		names = append(names, q.Output)
	}
	return names
}

// Serves tells whether a part may stand in an output whose bad rows are treated
// in this way; one without bad rows may in any.
func (i PartInfo) Serves(way BadRows) bool {
	return (i.Skipped == 0 || way == Skip) && (i.Quarantined == 0 || way == Quarantine)
}
