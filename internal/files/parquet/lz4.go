package parquet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/pierrec/lz4/v4"

	"tfos/internal/files/codec"
)

// decompressor decompresses a page into dst, which has the page's length.
type decompressor func(dst, src []byte) ([]byte, error)

// decompressorOf returns the decompressor of a compression, and nil for
// uncompressed pages.
func decompressorOf(c compress.Compression) (decompressor, error) {
	switch c {
	case compress.Codecs.Uncompressed:
		return nil, nil
	case lz4Raw:
		return unpackBlock, nil
	case compress.Codecs.Lz4:
		return unpackHadoop, nil
	}
	known, err := compress.GetCodec(c)
	if err != nil {
		return nil, fmt.Errorf("%w: the compression %s: write the file with another one, such as zstd", codec.ErrType, c)
	}
	return func(dst, src []byte) ([]byte, error) { return known.Decode(dst, src), nil }, nil
}

// lz4Raw is LZ4_RAW. The library has no name for it.
const lz4Raw compress.Compression = 7

// unpackBlock decompresses one LZ4 block.
func unpackBlock(dst, src []byte) ([]byte, error) {
	n, err := lz4.UncompressBlock(src, dst)
	if err != nil {
		return nil, err
	}
	return dst[:n], nil
}

// lz4Magic begins LZ4's frame format.
const lz4Magic = 0x184D2204

// unpackHadoop decompresses the codec LZ4, which the format does not define.
// Java writers write Hadoop's blocks, early C++ writers an LZ4 frame, and later
// ones a bare block.
func unpackHadoop(dst, src []byte) ([]byte, error) {
	if out, err := unpackHadoopBlocks(dst, src); err == nil {
		return out, nil
	}
	if len(src) >= 4 && binary.LittleEndian.Uint32(src) == lz4Magic {
		var all bytes.Buffer
		_, err := io.Copy(&all, io.LimitReader(lz4.NewReader(bytes.NewReader(src)), int64(len(dst))+1))
		return all.Bytes(), err
	}
	return unpackBlock(dst, src)
}

var errHadoopBlocks = errors.New("not the LZ4 blocks of Hadoop")

// unpackHadoopBlocks decompresses Hadoop's blocks: the decompressed and the
// compressed size, big-endian, and an LZ4 block. Several pieces may follow one
// decompressed size.
func unpackHadoopBlocks(dst, src []byte) ([]byte, error) {
	at := 0
	for len(src) > 0 {
		if len(src) < 4 {
			return nil, errHadoopBlocks
		}
		block := int64(binary.BigEndian.Uint32(src))
		src = src[4:]
		if block > int64(len(dst)-at) {
			return nil, errHadoopBlocks
		}
		for end := at + int(block); at < end; {
			if len(src) < 4 {
				return nil, errHadoopBlocks
			}
			size := int64(binary.BigEndian.Uint32(src))
			if size > int64(len(src)-4) {
				return nil, errHadoopBlocks
			}
			n, err := lz4.UncompressBlock(src[4:4+size], dst[at:end])
			if err != nil || n == 0 {
				return nil, errHadoopBlocks
			}
			at, src = at+n, src[4+size:]
		}
	}
	if at != len(dst) {
		return nil, errHadoopBlocks
	}
	return dst, nil
}
