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

// shardNumber matches the shard number that TensorFlow's writers append to file
// names.
var shardNumber = regexp.MustCompile(`-\d+-of-\d+$`)

// FormatOf returns the format that a file's name says, and false if the name
// says none. A compression suffix or a shard number may follow the extension:
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

// ErrUntold is wrapped where the format of files is not certain, or where they
// have several formats.
var ErrUntold = errors.New("the format is not certain")

// Tell returns the format that all data files at path have. It looks at their
// names, and at the first bytes of a file whose name says no format.
func Tell(ctx context.Context, path string) (Format, error) {
	found, err := list(ctx, path)
	if err != nil {
		return "", err
	}
	return detectFormat(ctx, path, found)
}

func detectFormat(ctx context.Context, path string, found []store.Info) (Format, error) {
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

// sniffFile recognizes a file's format by its first bytes. It returns "" if
// they fit none.
func sniffFile(ctx context.Context, path string) (Format, error) {
	in, err := rowformat.OpenInput(ctx, codec.WholeFile(path), sniffCompression)
	if errors.As(err, new(*Error)) {
		return "", nil // it only looks compressed
	}
	if err != nil {
		return "", err
	}
	head, err := in.Peek(codec.SniffBytes)
	if err != nil && err != io.EOF {
		return "", errors.Join(in.Fail(0, -1, err), in.Close())
	}
	format := recognizer{}.ByHead(head)
	if text := bytes.TrimLeft(head, rowformat.ByteOrderMark+jsontext.Space); format == "" && len(text) > 0 && text[0] == '{' {
		format = JSON
	}
	return format, in.Close()
}

// sniffCompression recognizes the compression of a file of unknown format.
func sniffCompression(head []byte) (string, error) {
	if (recognizer{}).ByHead(head) != "" {
		return rowformat.Plain, nil
	}
	return rowformat.SniffPacked(head), nil
}
