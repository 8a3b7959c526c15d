package files

import (
	"fmt"
	"slices"
)

// codecs are the formats that there are. A new one is a package beside these, a
// name in codec.Formats and a line here.
var codecs = map[Format]codec{
	Parquet:  parquetCodec{},
	Arrow:    arrowCodec{},
	TFRecord: recordsCodec{},
	CSV:      csvCodec{},
	JSON:     jsonCodec{},
}

func codecOf(format Format) (codec, error) {
	if c, ok := codecs[format]; ok {
		return c, nil
	}
	return nil, fmt.Errorf("files: format %q: must be one of %v", format, Formats)
}

// known recognizes files of all formats.
type known struct{}

func (known) byHead(head []byte) Format {
	for _, format := range Formats {
		if codecs[format].begins(head) {
			return format
		}
	}
	return ""
}

func (known) byName(name string) (Format, bool) { return FormatOf(name) }

// formatOfExtension is the format whose files' names end in ext; false: none.
func formatOfExtension(ext string) (Format, bool) {
	for _, format := range Formats {
		if slices.Contains(codecs[format].extensions(), ext) {
			return format, true
		}
	}
	return "", false
}
