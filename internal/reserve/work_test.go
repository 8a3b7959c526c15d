package reserve

import (
	"fmt"
	"strings"
	"testing"

	"tfos/internal/feed/files"
	"tfos/internal/infer"
)

func TestAssign(t *testing.T) {
	for _, test := range []struct {
		sizes []int64
		n     int
		want  string
	}{
		{[]int64{5}, 3, "[0] [] []"},
		{[]int64{1, 1, 1, 1}, 2, "[0 2] [1 3]"},
		{[]int64{1, 9, 2, 3, 4}, 2, "[0 1] [2 3 4]"},
		{[]int64{4, 5, 6, 7}, 2, "[0 3] [1 2]"},
		{[]int64{0, 0, 0}, 2, "[0 2] [1]"},
	} {
		var splits []infer.Split
		for i, size := range test.sizes {
			splits = append(splits, infer.Split{ID: i, Split: files.Split{Length: size}})
		}
		var got []string
		for _, share := range assign(splits, test.n) {
			ids := []int{}
			for _, s := range share {
				ids = append(ids, s.ID)
			}
			got = append(got, fmt.Sprint(ids))
		}
		if s := strings.Join(got, " "); s != test.want {
			t.Errorf("assign(%v, %d) = %s, want %s", test.sizes, test.n, s, test.want)
		}
	}
}

func TestSumResults(t *testing.T) {
	splits := []infer.Split{{ID: 0, Split: files.Split{Path: "a"}}, {ID: 1, Split: files.Split{Path: "b"}}}
	for results, want := range map[string]string{
		`{"rows":3,"splits":[{"id":1,"rows":3}]}|{"rows":2,"splits":[{"id":0,"rows":2}]}`:   "",
		`{"digest":"a","splits":[{"id":0}]}|{"model":"m","digest":"b","splits":[{"id":1}]}`: "different models from m",
		`{"digest":"a","splits":[{"id":0},{"id":1}]}|{"rows":5}`:                            "",
		`{"splits":[{"id":1}]}`:                        "split 0 (a) has no result",
		`{"splits":[{"id":0}]}`:                        "split 1 (b) has no result",
		`{"splits":[{"id":0},{"id":0},{"id":1}]}`:      "split 1 (b) has no result or two",
		`{"splits":[{"id":0},{"id":1},{"id":7}]}`:      "1 results belong to no split",
		`{"splits":[{"id":0},{"id":1}]}|{"rows":"no"}`: "read an inference result",
	} {
		var data [][]byte
		for text := range strings.SplitSeq(results, "|") {
			data = append(data, []byte(text))
		}
		sum, err := sumResults(splits, data)
		switch {
		case want == "" && (err != nil || sum.Rows != 5 || sum.Splits[0].ID != 0):
			t.Errorf("%s: %+v %v", results, sum, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", results, err, want)
		}
	}
}
