package job

import (
	"slices"
	"strings"
	"testing"

	"tfos/internal/files"
)

// TestReadBy: executors read files that mean the same to them as to Spark.
func TestReadBy(t *testing.T) {
	for _, c := range []struct {
		set  []string
		want string
	}{
		{nil, byEither},
		{[]string{"input.format=tfrecord"}, byEither},
		{[]string{"input.format=tfrecord", "input.options={recordType: ByteArray}"}, byEither},
		{[]string{"input.format=parquet", "input.options={recordType: ByteArray}"}, bySpark},
		{[]string{"input.format=arrow"}, byEither},
		{[]string{"input.format=csv"}, bySpark},
		{[]string{"input.format=csv", "read_by=executor"}, byExecutor},
		{[]string{"input.options={mergeSchema: 'true'}"}, bySpark},
		{[]string{"input={table: t}"}, bySpark},
		{[]string{"input={sql: select 1}"}, bySpark},
		{[]string{"input.path=viewfs://a/b"}, bySpark},
		{[]string{"feeder=arrow"}, bySpark},
		{[]string{"read_by=spark"}, bySpark},
	} {
		s := spec(t, Train, trainBase, c.set...)
		if got := s.feeds()[0].ReadBy; got != c.want {
			t.Errorf("%v: read by %q in place of %q", c.set, got, c.want)
		}
	}
}

// TestInferenceReadBy: Spark takes what executors cannot, and says why where
// nobody asked for it.
func TestInferenceReadBy(t *testing.T) {
	for _, c := range []struct {
		set  []string
		want string
		why  string
	}{
		{nil, byExecutor, ""},
		{[]string{"input.format=csv", "input.options={header: 'true'}"}, byExecutor, ""},
		{[]string{"read_by=spark"}, bySpark, ""},
		{[]string{"input={table: t}"}, bySpark, "input is a table"},
		{[]string{"input={sql: select 1}"}, bySpark, "input is a query"},
		{[]string{"input={sql: select 1}", "read_by=spark"}, bySpark, ""},
		{[]string{"input.format=orc"}, bySpark, "tfos does not read orc itself"},
		{[]string{"input.path=viewfs://a/b"}, bySpark, "input.path is on a store that tfos does not know"},
		{[]string{"keep=[day]", "output.partition_by=[day]"}, bySpark, "output.partition_by is given"},
	} {
		s := spec(t, Infer, inferBase, c.set...)
		if got := s.readBy(&s.Input.Source); got != c.want {
			t.Errorf("%v: read by %q in place of %q", c.set, got, c.want)
		}
		why := ""
		if i := slices.IndexFunc(s.Warnings(), func(f Fault) bool { return f.Path == "read_by" }); i >= 0 {
			why = strings.TrimPrefix(s.Warnings()[i].Rule, "because ")
		}
		if why != c.why || !strings.Contains(s.explainReader(), c.why) {
			t.Errorf("%v: warned of %q, shown %q, want %q", c.set, why, s.explainReader(), c.why)
		}
	}
}

// TestLightDriver: on local[n] rows that Spark reads pass the driver's JVM.
func TestLightDriver(t *testing.T) {
	for _, c := range []struct {
		kind Kind
		text string
		set  []string
		want bool
	}{
		{Train, trainBase, nil, true},
		{Train, trainBase, []string{"read_by=spark"}, true},
		{Train, trainBase, []string{"spark.master=local[3]"}, false},
		{Train, trainBase, []string{"spark.master=local[3]", "input={train: {path: data}, validation: {table: t}}", "read_by=auto"}, false},
		{Train, trainBase, []string{"spark.master=local[3]", "read_by=executor"}, true},
		{Train, trainBase, []string{"spark.master=local[3]", "input_mode=tensorflow"}, true},
		{Infer, inferBase, []string{"read_by=spark"}, true},
		{Infer, inferBase, []string{"spark.master=local[3]"}, true},
		{Infer, inferBase, []string{"spark.master=local[3]", "read_by=spark"}, false},
	} {
		p, err := MakePlan(spec(t, c.kind, c.text, c.set...), testEnvironment)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.LightDriver(); got != c.want {
			t.Errorf("%s %v: %v", c.kind, c.set, got)
		}
	}
}

// TestFolderRules: executors read columns in folders' names as Spark is told to.
func TestFolderRules(t *testing.T) {
	conf := "spark.conf={spark.sql.sources.partitionColumnTypeInference.enabled: 'false', spark.sql.session.timeZone: Asia/Tokyo}"
	want := files.FolderRules{Text: true, Zone: "Asia/Tokyo"}
	if got := spec(t, Train, trainBase, conf).feeds()[0].Folders; got != want {
		t.Errorf("training: %+v", got)
	}
	if got := spec(t, Infer, inferBase, conf).inferInput().Folders; got != want {
		t.Errorf("inference: %+v", got)
	}
	none := files.FolderRules{}
	if got := spec(t, Train, trainBase, conf, "read_by=spark").feeds()[0].Folders; got != none {
		t.Errorf("by Spark, which knows: %+v", got)
	}
	if got := spec(t, Infer, inferBase, conf, "local=true").inferInput().Folders; got != none {
		t.Errorf("without Spark: %+v", got)
	}
}
