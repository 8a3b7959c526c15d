package parquet

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// packBits stores values of width bits, lowest bit first, as parquet does.
func packBits[T uint8 | uint32](values []T, width int) []byte {
	b := make([]byte, (len(values)*width+7)/8)
	for i, v := range values {
		for k := range width {
			b[(i*width+k)/8] |= byte(v>>k&1) << ((i*width + k) % 8)
		}
	}
	return b
}

// TestPackedRuns: groups of eight values of every width come back, also if the
// last group is not used to its end.
func TestPackedRuns(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const n = 21
	for width := range 33 {
		values := make([]uint32, 24)
		for i := range values {
			values[i] = uint32(random.Uint64() & (1<<width - 1))
		}
		run := append([]byte{3<<1 | 1}, packBits(values, width)...) // three groups
		got, err := expandIndices(append([]byte{byte(width)}, run...), n, nil)
		if err != nil || !slices.Equal(got, values[:n]) {
			t.Errorf("indices of %d bits: %v (%v), want %v", width, got, err, values[:n])
		}
		if _, err := expandIndices(append([]byte{byte(width)}, run[:len(run)-1]...), n, nil); width > 0 && err == nil {
			t.Errorf("indices of %d bits: a byte less is no error", width)
		}
		if width == 0 || width > 8 {
			continue
		}
		levels := make([]byte, len(values))
		for i, v := range values {
			levels[i] = byte(v)
		}
		most := byte(1<<width - 1)
		if got, err := expandLevels(run, most, n, nil); err != nil || !slices.Equal(got, levels[:n]) {
			t.Errorf("levels of %d bits: %v (%v), want %v", width, got, err, levels[:n])
		}
	}
}

// TestRuns: what runs may say, and what is damage.
func TestRuns(t *testing.T) {
	for name, c := range map[string]struct {
		b    []byte
		most uint8
		n    int
		want []byte // nil: an error
	}{
		"repeated":                  {[]byte{3 << 1, 1}, 1, 3, []byte{1, 1, 1}},
		"repeated beyond the page":  {[]byte{9 << 1, 1}, 1, 3, []byte{1, 1, 1}},
		"repeated, then packed":     {[]byte{2 << 1, 1, 1<<1 | 1, 0b101}, 1, 6, []byte{1, 1, 1, 0, 1, 0}},
		"packed, then repeated":     {[]byte{1<<1 | 1, 0b10000001, 2 << 1, 1}, 1, 10, []byte{1, 0, 0, 0, 0, 0, 0, 1, 1, 1}},
		"the highest level":         {[]byte{1<<1 | 1, 0b00_01_10_10, 0}, 2, 4, []byte{2, 2, 1, 0}},
		"too high":                  {[]byte{1<<1 | 1, 0b00_01_11_10, 0}, 2, 4, nil},
		"too high behind the page":  {[]byte{1<<1 | 1, 0b11_01_10_10, 0}, 2, 3, []byte{2, 2, 1}},
		"repeated and too high":     {[]byte{3 << 1, 2}, 1, 3, nil},
		"no value":                  {[]byte{3 << 1}, 1, 3, nil},
		"a run of none":             {[]byte{0, 1, 3 << 1, 1}, 1, 3, nil},
		"it ends":                   {[]byte{2 << 1, 1}, 1, 3, nil},
		"it ends in a group":        {[]byte{2<<1 | 1, 0xff}, 1, 9, nil},
		"a length without its end":  {[]byte{0x80}, 1, 3, nil},
		"groups that are not there": {[]byte{9<<1 | 1, 0xff}, 1, 3, []byte{1, 1, 1}},
	} {
		got, err := expandLevels(c.b, c.most, c.n, nil)
		if (err == nil) != (c.want != nil) || err == nil && !slices.Equal(got, c.want) {
			t.Errorf("%s: %v (%v), want %v", name, got, err, c.want)
		}
	}
	for width, fits := range map[byte]bool{32: true, 33: false} {
		got, err := expandIndices([]byte{width, 2 << 1, 5, 0, 0, 1, 0}, 2, nil)
		if (err == nil) != fits || fits && !slices.Equal(got, []uint32{1<<24 | 5, 1<<24 | 5}) {
			t.Errorf("indices of %d bits: %v (%v)", width, got, err)
		}
	}
	runs := []byte{2, 3 << 1, 3, 1<<1 | 1, 0b11100100, 0, 2 << 1, 2, 1<<1 | 1, 0b01, 0} // of two bits
	if got, err := expandIndices(runs, 14, nil); err != nil || !slices.Equal(got, []uint32{3, 3, 3, 0, 1, 2, 3, 0, 0, 0, 0, 2, 2, 1}) {
		t.Errorf("runs of indices: %v, %v", got, err)
	}
	if _, err := expandIndices(nil, 1, nil); err == nil {
		t.Error("indices without a width")
	}
}

// TestLongPackedRuns: a packed run that is longer than eight bytes, to its last byte.
func TestLongPackedRuns(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for width := range 33 {
		values := make([]uint32, 200)
		for i := range values {
			values[i] = uint32(random.Uint64() & (1<<width - 1))
		}
		run := append([]byte{byte(width), 25<<1 | 1}, packBits(values, width)...)
		for n := 190; n <= len(values); n++ {
			got, err := expandIndices(run, n, nil)
			if err != nil || !slices.Equal(got, values[:n]) {
				t.Errorf("%d indices of %d bits: %v (%v), want %v", n, width, got, err, values[:n])
			}
		}
	}
}

// TestAllHighest: only a run that is as long as the page says that nothing is null.
func TestAllHighest(t *testing.T) {
	for name, c := range map[string]struct {
		b    []byte
		n    int
		want bool
	}{
		"all":                 {[]byte{5 << 1, 2}, 5, true},
		"beyond the page":     {[]byte{9 << 1, 2}, 5, true},
		"of two bytes":        {[]byte{0xc8, 0x01, 2}, 100, true},
		"lower":               {[]byte{5 << 1, 1}, 5, false},
		"one is missing":      {[]byte{5 << 1, 2, 1 << 1, 1}, 6, false},
		"packed":              {[]byte{1<<1 | 1, 0xaa, 0xaa}, 8, false},
		"no value":            {[]byte{5 << 1}, 5, false},
		"nothing":             {nil, 5, false},
		"a page of no levels": {[]byte{5 << 1, 2}, 0, false},
	} {
		if got := allHighest(c.b, 2, c.n); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
