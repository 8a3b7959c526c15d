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

// codecs are the supported formats. A new format needs a package beside these,
// a name in codec.Formats and a line here.
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

// recognizer recognizes files of all formats.
type recognizer struct{}

func (recognizer) ByHead(head []byte) Format {
	for _, format := range Formats {
		if codecs[format].Begins(head) {
			return format
		}
	}
	return ""
}

func (recognizer) ByName(name string) (Format, bool) { return FormatOf(name) }

// formatOfExtension returns the format whose file names end in ext, and false
// if there is none.
func formatOfExtension(ext string) (Format, bool) {
	for _, format := range Formats {
		if slices.Contains(codecs[format].Extensions(), ext) {
			return format, true
		}
	}
	return "", false
}
