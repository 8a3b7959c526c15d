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

	"tfos/internal/store"
)

// extensions of files' names tell formats. What compresses a whole file, and
// the number of a shard, come after them: a.csv.gz, a.tfrecord-00000-of-00002.
var extensions = map[string]Format{
	".parquet": Parquet, ".parq": Parquet, ".pq": Parquet,
	".tfrecord": TFRecord, ".tfrecords": TFRecord, ".tfrec": TFRecord,
	".csv":  CSV,
	".json": JSON, ".jsonl": JSON, ".ndjson": JSON,
	".arrow": Arrow, ".arrows": Arrow, ".feather": Arrow, ".ipc": Arrow,
}

// shardNumber ends the names of files that TensorFlow's writers number.
var shardNumber = regexp.MustCompile(`-\d+-of-\d+$`)

// FormatOf tells the format of a file by its name; false: it does not say.
func FormatOf(name string) (Format, bool) {
	for range 2 {
		name = shardNumber.ReplaceAllString(name, "")
		ext := path.Ext(name)
		if f, ok := extensions[strings.ToLower(ext)]; ok {
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
	in, err := openInput(ctx, wholeFile(path), func(head []byte) (string, error) { return sniffPacked(head), nil })
	if errors.As(err, new(*Error)) {
		return "", nil // it looks packed and is not
	}
	if err != nil {
		return "", err
	}
	head, err := in.peek(sniffBytes)
	if err != nil && err != io.EOF {
		return "", errors.Join(in.fail(0, -1, err), in.Close())
	}
	format := sniffed(head)
	if text := bytes.TrimLeft(head, byteOrderMark+jsonSpace); format == "" && len(text) > 0 && text[0] == '{' {
		format = JSON
	}
	return format, in.Close()
}

// sniffed is the format that the first bytes of a file tell for certain; "":
// they do not.
func sniffed(head []byte) Format {
	switch {
	case bytes.HasPrefix(head, []byte("PAR1")):
		return Parquet
	case bytes.HasPrefix(head, []byte(arrowMagic)), bytes.HasPrefix(head, []byte(featherMagic)):
		return Arrow
	case len(head) >= frameHeader:
		if _, ok := frameLength(head); ok {
			return TFRecord
		}
	}
	return ""
}

// packers are compressions of whole files that are not read, by their magic
// numbers.
var packers = map[string]string{
	"BZh": "bzip2", "\xfd7zXZ\x00": "xz", "\x28\xb5\x2f\xfd": "zstd", "PK\x03\x04": "zip", "\x04\x22\x4d\x18": "lz4",
}

// refuseHead is the error of a file that by its first bytes cannot be of the
// format; nil: it can.
func refuseHead(format Format, head []byte) error {
	if is := sniffed(head); is != "" && is != format {
		return fmt.Errorf("it is a %s file by its first bytes and is read as %s: give the format %s, or none", is, format, is)
	}
	if bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff")) {
		return errors.New("it is UTF-16: make it UTF-8 (iconv -f utf-16 -t utf-8)")
	}
	for magic, name := range packers {
		if bytes.HasPrefix(head, []byte(magic)) {
			return fmt.Errorf("it is compressed by %s, which is not read: decompress it, or use gzip", name)
		}
	}
	return nil
}
