package parquet

import (
	"errors"
	"testing"
)

func TestGatherBeyondTheDictionary(t *testing.T) {
	for _, width := range []int{2, 4, 8} {
		v := &fixedValues{in: width, out: width, dict: make([]byte, 3*width)}
		if err := v.gather(make([]byte, 2*width), []uint32{2, 3}); !errors.Is(err, errIndex) {
			t.Errorf("%d bytes: %v", width, err)
		}
	}
}
