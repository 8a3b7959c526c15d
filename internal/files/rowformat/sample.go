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

// WrongGuessError adds the fitting declaration to err. err is about a value
// that differs from the sampled rows of its column.
func WrongGuessError(err error, f arrow.Field, text []byte) error {
	wider := "string"
	if _, e := strconv.ParseFloat(strings.TrimSpace(string(text)), 64); e == nil && arrow.IsInteger(f.Type.ID()) {
		wider = "double"
	}
	return fmt.Errorf("%w, which the sampled rows of the column are: declare the column (tfos convert --schema '%s')", err, arrays.ColumnDDL(f.Name, wider))
}

// Schema inference looks at this many rows or bytes of the first files,
// whichever limit is reached first. Each file gives an equal share.
const (
	SampleRows  = 1000
	sampleBytes = 16 << 20
	sampleFiles = 10
)

// UnsampledError is the error of a column that no sampled row has.
func UnsampledError(kind string, name []byte) error {
	return fmt.Errorf("%s %q is in no sampled row: declare the schema", kind, name)
}

// ApplyDeclared replaces fields that the schema declares. It appends declared
// fields that are missing.
func ApplyDeclared(fields []arrow.Field, declared *arrow.Schema) []arrow.Field {
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

// Sample counts the rows and bytes that an inference has looked at.
type Sample struct {
	rows, bytes         int
	Bad                 bool  // ReadOptions.BadRows
	FirstBad            error // error of the first bad row that was skipped
	fileRows, fileBytes int   // of the current file
	files               int   // number of files that share the sample
}

func NewSample(list []store.Info, o codec.ReadOptions) *Sample {
	return &Sample{files: min(len(list), sampleFiles), Bad: o.BadRows}
}

// SkipBad returns nil if the row with this error may be skipped, else err.
func (s *Sample) SkipBad(err error) error {
	if !s.Bad || !errors.As(err, new(*Fault)) {
		return err
	}
	if s.FirstBad == nil {
		s.FirstBad = err
	}
	return nil
}

func (s *Sample) AddRow(bytes int) {
	s.rows, s.bytes = s.rows+1, s.bytes+bytes
	s.fileRows, s.fileBytes = s.fileRows+1, s.fileBytes+bytes
}

// NextFile begins a file. It returns true if the sample is already complete.
func (s *Sample) NextFile() bool {
	s.fileRows, s.fileBytes = 0, 0
	return s.rows >= SampleRows || s.bytes >= sampleBytes
}

// FileDone reports whether the current file has given its share.
func (s *Sample) FileDone() bool {
	return s.fileRows >= SampleRows/s.files || s.fileBytes >= sampleBytes/s.files
}

// Starts implements Codec.Starts for files of lines or records. A compressed
// file is one split.
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
