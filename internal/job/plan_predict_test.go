package job

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
