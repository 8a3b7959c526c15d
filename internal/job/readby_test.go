package job

import "testing"

// TestReadBy: executors read files that mean the same to them as to Spark.
func TestReadBy(t *testing.T) {
	for _, c := range []struct {
		set  []string
		want string
	}{
		{nil, byEither},
		{[]string{"input.format=tfrecord"}, byEither},
		{[]string{"input.format=arrow"}, byEither},
		{[]string{"input.format=csv"}, bySpark},
		{[]string{"input.format=csv", "read_by=executor"}, byExecutor},
		{[]string{"input.options={mergeSchema: 'true'}"}, bySpark},
		{[]string{"input={table: t}"}, bySpark},
		{[]string{"input={sql: select 1}"}, bySpark},
		{[]string{"input.path=hdfs://a/b"}, bySpark},
		{[]string{"feeder=arrow"}, bySpark},
		{[]string{"read_by=spark"}, bySpark},
	} {
		s := spec(t, Train, trainBase, c.set...)
		if got := s.feeds()[0].ReadBy; got != c.want {
			t.Errorf("%v: read by %q in place of %q", c.set, got, c.want)
		}
	}
}
