package files

import (
	"fmt"
	"slices"

	"tfos/internal/files/arrowipc"
	"tfos/internal/files/codec"
	"tfos/internal/files/csv"
	"tfos/internal/files/jsonl"
	"tfos/internal/files/parquet"
	"tfos/internal/files/tfrecord"
)

// codecs are the formats that there are. A new one is a package beside these, a
// name in codec.Formats and a line here.
var codecs = map[Format]codec.Codec{
	Parquet:  parquet.Codec{},
	Arrow:    arrowipc.Codec{},
	TFRecord: tfrecord.Codec{},
	CSV:      csv.Codec{},
	JSON:     jsonl.Codec{},
}

func codecOf(format Format) (codec.Codec, error) {
	if c, ok := codecs[format]; ok {
		return c, nil
	}
	return nil, fmt.Errorf("files: format %q: must be one of %v", format, Formats)
}

// known recognizes files of all formats.
type known struct{}

func (known) ByHead(head []byte) Format {
	for _, format := range Formats {
		if codecs[format].Begins(head) {
			return format
		}
	}
	return ""
}

func (known) ByName(name string) (Format, bool) { return FormatOf(name) }

// formatOfExtension is the format whose files' names end in ext; false: none.
func formatOfExtension(ext string) (Format, bool) {
	for _, format := range Formats {
		if slices.Contains(codecs[format].Extensions(), ext) {
			return format, true
		}
	}
	return "", false
}
