package rowformat

import (
	"tfos/internal/files/codec"
)

// Sniffer recognizes a file's compression by its first bytes. It returns an
// error for another kind of file.
type Sniffer func(head []byte) (compression string, err error)

// SniffText returns the Sniffer of text files.
func SniffText(o codec.ReadOptions) Sniffer {
	return func(head []byte) (string, error) { return sniffGzip(head), o.RefuseHead("text", head) }
}

// SniffPacked recognizes zlib's header (RFC 1950) and gzip's magic number.
func SniffPacked(head []byte) string {
	if len(head) >= 2 && head[0]&0x0f == 8 && head[0]>>4 <= 7 && (uint(head[0])<<8|uint(head[1]))%31 == 0 {
		return ZlibPacked
	}
	return sniffGzip(head)
}

// sniffGzip recognizes gzip's magic number.
func sniffGzip(head []byte) string {
	if len(head) >= 3 && head[0] == 0x1f && head[1] == 0x8b && head[2] == 8 {
		return Gzipped
	}
	return Plain
}
