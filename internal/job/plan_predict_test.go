package job

import "testing"

// predictFaults are faults of inference that Spark reads and writes, as in
// faultCases.
var predictFaults = []faultCase{
	{Infer, []string{"input.format=orc", "read_by=executor"}, "input.format: orc: needs read_by: spark", 2},
	{Infer, []string{"input.path=viewfs://a/b", "read_by=executor"}, "input.path: viewfs://a/b: needs read_by: spark", 2},
	{Infer, []string{"output.format=orc"}, "output.format: orc: must be one of parquet, tfrecord, csv, json, arrow", 2},
	{Infer, []string{"input={table: t}", "output.format=arrow"}, "output.format: arrow: is not written by Spark: use one of parquet, json, csv, orc, or convert it then (tfos convert)", 2},
	{Infer, []string{"read_by=spark", "output.format=orca"}, "output.format: orca: must be one of parquet, json, csv, orc (did you mean orc?)", 2},
	{Infer, []string{"keep=[day]", "output.partition_by=[day]", "read_by=executor"}, "output.partition_by: day: needs read_by: spark", 2},
	{Infer, []string{"keep=[day]", "output.partition_by=[hour]"}, "output.partition_by[0]: hour: must be a column in keep", 2},
	{Infer, []string{"keep=[day]", "output.partition_by=[day, day]"}, "output.partition_by[1]: day: is named twice", 2},
	{Infer, []string{"keep=[.day]", "output.partition_by=[.day]", "output.if_exists=resume"}, "output.partition_by[0]: .day: names hidden folders, in which output.if_exists: resume finds nothing: rename the column", 2},
	{Infer, []string{"output.partition_by=[]"}, "output.partition_by: must name at least one column in keep", 2},
	{Train, []string{"output={path: x, partition_by: [day]}"}, "output.partition_by: a list: does not apply to a job of kind train, but to: infer", 2},
}

// TestBatchSizeAuto: inference on GPUs grows its batches, unless the job says how large they are.
func TestBatchSizeAuto(t *testing.T) {
	for _, c := range []struct {
		set  []string
		rows int
		grow bool
	}{
		{nil, 100, false},
		{[]string{"batch_size=auto"}, 0, true},
		{[]string{"resources.worker={gpus: 1}"}, 0, true},
		{[]string{"resources.worker.gpus=0"}, 100, false},
		{[]string{"resources.worker.gpus=1", "batch_size=7"}, 7, false},
	} {
		got := spec(t, Infer, base(Infer), c.set...).computation()
		if got.BatchSize != c.rows || got.GrowBatch != c.grow {
			t.Errorf("%v: %d rows, grow %v", c.set, got.BatchSize, got.GrowBatch)
		}
	}
}
