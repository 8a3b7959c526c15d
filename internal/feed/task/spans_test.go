package task

import (
	"reflect"
	"testing"
)

func TestMissing(t *testing.T) {
	held := union([][2]int64{{10, 5}, {0, 3}, {15, 5}, {40, 1}, {41, 0}})
	if want := []span{{0, 3}, {10, 20}, {40, 41}}; !reflect.DeepEqual(held, want) {
		t.Fatalf("%v, want %v", held, want)
	}
	for _, test := range []struct {
		held []span
		of   span
		want []span
	}{
		{held, span{0, 50}, []span{{3, 10}, {20, 40}, {41, 50}}},
		{held[1:], span{12, 18}, nil},
		{held[1:], span{12, 22}, []span{{20, 22}}},
		{held[1:], span{5, 10}, []span{{5, 10}}},
		{nil, span{5, 9}, []span{{5, 9}}},
	} {
		if got := missing(test.held, test.of); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%v of %v: %v, want %v", test.of, test.held, got, test.want)
		}
	}
}
