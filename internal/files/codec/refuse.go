package codec

import (
	"bytes"
	"errors"
	"fmt"
)

// packers are compressions of whole files that are not read, by their magic
// numbers.
var packers = map[string]string{
	"BZh": "bzip2", "\xfd7zXZ\x00": "xz", "\x28\xb5\x2f\xfd": "zstd", "PK\x03\x04": "zip", "\x04\x22\x4d\x18": "lz4",
}

// RefuseHead is the error of a file that by its first bytes cannot be of the
// format; nil: it can.
func (o ReadOptions) RefuseHead(format Format, head []byte) error {
	var is Format
	if o.Others != nil {
		is = o.Others.ByHead(head)
	}
	if is != "" && is != format {
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

// SniffBytes are enough to tell a compression.
const SniffBytes = 12
