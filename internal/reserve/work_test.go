package reserve

import (
	"fmt"
	"strings"
	"testing"

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
			splits = append(splits, infer.Split{ID: i, Bytes: size})
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

func TestListSplits(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"x.parquet", "y.PARQUET", "z.csv", "_tmp/q.parquet", ".w.parquet", "odd"} {
		stage(t, root+"/"+name)
	}
	for input, want := range map[string]string{
		"": "0:x.parquet 1:y.PARQUET", "/*.parquet": "0:x.parquet", "/odd": "0:odd", "/x*": "0:x.parquet",
	} {
		splits, err := listSplits(t.Context(), root+input)
		var got []string
		for _, s := range splits {
			got = append(got, fmt.Sprintf("%d:%s", s.ID, strings.TrimPrefix(s.Path, root+"/")))
		}
		if s := strings.Join(got, " "); err != nil || s != want {
			t.Errorf("%q: %q %v, want %q", input, s, err, want)
		}
	}
	if _, err := listSplits(t.Context(), "hdfs://nn/x"); err == nil || err.Error() != "store: hdfs://: not supported yet" {
		t.Errorf("hdfs: %v", err)
	}
}

func TestSumResults(t *testing.T) {
	splits := []infer.Split{{ID: 0, Path: "a"}, {ID: 1, Path: "b"}}
	for results, want := range map[string]string{
		`{"rows":3,"splits":[{"id":1,"rows":3}]}|{"rows":2,"splits":[{"id":0,"rows":2}]}`: "",
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
