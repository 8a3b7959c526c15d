package codec

import (
	"bytes"
	"errors"
	"fmt"
)

// unreadCompressions are whole-file compressions that are not supported, by
// their magic numbers.
var unreadCompressions = map[string]string{
	"BZh": "bzip2", "\xfd7zXZ\x00": "xz", "\x28\xb5\x2f\xfd": "zstd", "PK\x03\x04": "zip", "\x04\x22\x4d\x18": "lz4",
}

// RefuseHead returns an error if a file with these first bytes cannot be read
// as format, and nil otherwise.
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
	for magic, name := range unreadCompressions {
		if bytes.HasPrefix(head, []byte(magic)) {
			return fmt.Errorf("it is compressed by %s, which is not read: decompress it, or use gzip", name)
		}
	}
	return nil
}

// SniffBytes is the number of first bytes that identify a format and a
// compression.
const SniffBytes = 12
