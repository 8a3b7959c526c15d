package rowformat

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/files/arrays"
	"tfos/internal/files/codec"
	"tfos/internal/store"
)

// GuessWrong is the error of a value that is not what the first rows of its
// column are, with the declaration under which it can be read.
func GuessWrong(err error, f arrow.Field, text []byte) error {
	wider := "string"
	if _, e := strconv.ParseFloat(strings.TrimSpace(string(text)), 64); e == nil && arrow.IsInteger(f.Type.ID()) {
		wider = "double"
	}
	return fmt.Errorf("%w, which the sampled rows of the column are: declare the column (tfos convert --schema '%s')", err, arrays.ColumnDDL(f.Name, wider))
}

// The inference of a schema looks at this many rows or bytes, whichever is less,
// of the first files, a share of each.
const (
	SampleRows  = 1000
	sampleBytes = 16 << 20
	sampleFiles = 10
)

// Unsampled is the error of a column that the inference did not meet.
func Unsampled(kind string, name []byte) error {
	return fmt.Errorf("%s %q is in no sampled row: declare the schema", kind, name)
}

// Declare replaces the fields that the schema declares, and appends those that
// it alone has.
func Declare(fields []arrow.Field, declared *arrow.Schema) []arrow.Field {
	if declared == nil {
		return fields
	}
	has := make(map[string]bool, len(fields))
	for i, f := range fields {
		has[f.Name] = true
		if known, ok := declared.FieldsByName(f.Name); ok {
			fields[i] = known[0]
		}
	}
	for _, f := range declared.Fields() {
		if !has[f.Name] {
			fields = append(fields, f)
		}
	}
	return fields
}

// Sample counts what an inference has looked at.
type Sample struct {
	rows, bytes         int
	Bad                 bool  // ReadOptions.BadRows
	Passed              error // of the first row that was passed over
	fileRows, fileBytes int   // of the file at hand
	files               int   // among which a sample is shared
}

func NewSample(list []store.Info, o codec.ReadOptions) *Sample {
	return &Sample{files: min(len(list), sampleFiles), Bad: o.BadRows}
}

// Pass is nil where a row may be passed over for this error, else the error.
func (s *Sample) Pass(err error) error {
	if !s.Bad || !errors.As(err, new(*Fault)) {
		return err
	}
	if s.Passed == nil {
		s.Passed = err
	}
	return nil
}

func (s *Sample) Add(bytes int) {
	s.rows, s.bytes = s.rows+1, s.bytes+bytes
	s.fileRows, s.fileBytes = s.fileRows+1, s.fileBytes+bytes
}

// Next begins a file; true: the sample is complete without it.
func (s *Sample) Next() bool {
	s.fileRows, s.fileBytes = 0, 0
	return s.rows >= SampleRows || s.bytes >= sampleBytes
}

// Enough says whether the file at hand has given its share.
func (s *Sample) Enough() bool {
	return s.fileRows >= SampleRows/s.files || s.fileBytes >= sampleBytes/s.files
}

// Starts says where pieces of a file of lines or records may begin: that of
// a compressed one at its first byte only.
func Starts(ctx context.Context, path string, sniff Sniffer) ([]int64, error) {
	in, err := OpenInput(ctx, codec.WholeFile(path), sniff)
	if err != nil {
		return nil, err
	}
	if in.Compression == Plain {
		return nil, in.Close()
	}
	return []int64{0}, in.Close()
}
