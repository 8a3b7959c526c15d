package job

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"tfos/internal/exit"
)

// maxFile bounds a job file; the largest sensible one is a few KiB.
const maxFile = 1 << 20

// Load reads, completes and validates a job file. sets are `a.b=c`: a dotted
// key and a YAML value, applied in their order, after flags. The error is a
// Faults with all faults of the job.
func Load(path string, kind Kind, sets []string, flags ...Flag) (*Spec, error) {
	data, err := readFile(path)
	if err != nil {
		var cause *os.PathError
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return nil, Faults{{File: path, Rule: err.Error(), Code: exit.Usage}}
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("job: folder of %s: %w", path, err)
	}
	s, faults := parse(data, path, kind, flags, sets)
	return finish(s, faults, dir)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("is larger than %d bytes: no job file", maxFile)
	}
	return data, err
}

// KindOf tells a job file's kind by its keys: see kindOf. A file that cannot be
// read is a Train: Load reports what is wrong, with its line.
func KindOf(file string) Kind {
	data, err := readFile(file)
	if err != nil {
		return Train
	}
	return kindOf(data)
}
