package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"

	"tfos/internal/files/codec"
	"tfos/internal/files/jsontext"
	"tfos/internal/files/rowformat"
	"tfos/internal/store"
)

// shardNumber ends the names of files that TensorFlow's writers number.
var shardNumber = regexp.MustCompile(`-\d+-of-\d+$`)

// FormatOf tells the format of a file by its name; false: it does not say. What
// compresses a whole file, and the number of a shard, come after the extension:
// a.csv.gz, a.tfrecord-00000-of-00002.
func FormatOf(name string) (Format, bool) {
	for range 2 {
		name = shardNumber.ReplaceAllString(name, "")
		ext := path.Ext(name)
		if f, ok := formatOfExtension(strings.ToLower(ext)); ok {
			return f, true
		}
		name = strings.TrimSuffix(name, ext)
	}
	return "", false
}

// ErrUntold is wrapped where files do not tell their format, or tell several.
var ErrUntold = errors.New("the format is not certain")

// Tell is the format that all data files at path have, by their names or, where
// a name does not say, by their first bytes.
func Tell(ctx context.Context, path string) (Format, error) {
	found, err := list(ctx, path)
	if err != nil {
		return "", err
	}
	return tell(ctx, path, found)
}

func tell(ctx context.Context, path string, found []store.Info) (Format, error) {
	var format Format
	var first string
	for _, f := range found {
		this, ok := FormatOf(f.Path)
		if !ok {
			var err error
			if this, err = sniffFile(ctx, f.Path); err != nil {
				return "", err
			}
		}
		switch {
		case this == "":
			return "", fmt.Errorf("files: %s: %w: neither its name nor its first bytes tell it", f.Path, ErrUntold)
		case format == "":
			format, first = this, f.Path
		case this != format:
			return "", fmt.Errorf("files: %s: %w: there are files of two, such as %s (%s) and %s (%s): choose those of one by a pattern",
				path, ErrUntold, first, format, f.Path, this)
		}
	}
	return format, nil
}

// sniffFile tells a file's format by its first bytes; "": they do not say.
func sniffFile(ctx context.Context, path string) (Format, error) {
	in, err := rowformat.OpenInput(ctx, codec.WholeFile(path), sniffUntold)
	if errors.As(err, new(*Error)) {
		return "", nil // it looks packed and is not
	}
	if err != nil {
		return "", err
	}
	head, err := in.Peek(codec.SniffBytes)
	if err != nil && err != io.EOF {
		return "", errors.Join(in.Fail(0, -1, err), in.Close())
	}
	format := known{}.ByHead(head)
	if text := bytes.TrimLeft(head, rowformat.ByteOrderMark+jsontext.Space); format == "" && len(text) > 0 && text[0] == '{' {
		format = JSON
	}
	return format, in.Close()
}

// sniffUntold tells the compression of a file whose format is not known.
func sniffUntold(head []byte) (string, error) {
	if (known{}).ByHead(head) != "" {
		return rowformat.Plain, nil
	}
	return rowformat.SniffPacked(head), nil
}
