package arrowipc

import (
	"tfos/internal/files/codec"
)

func failReads(r codec.Reader, err error) {
	r.(*reader).source.Read = func([]byte, int64) (int, error) { return 0, err }
}
