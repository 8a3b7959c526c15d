package work

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"

	"tfos/internal/exit"
	"tfos/internal/infer"
	"tfos/internal/reserve"
	"tfos/internal/reserve/reservetest"
)

// sparkRun is a run of a site's job whose rows Spark reads and whose output it
// writes; the test stands for both, and for the engines.
type sparkRun struct {
	resumedPartitions
	t      *testing.T
	cfg    Config
	folder string
	served []infer.ServedPartition
	digest string // of the model that its engines have
}

// bySpark is the site's configuration for Spark.
func (s *site) bySpark(run string) Config {
	s.t.Helper()
	cfg := s.config(run)
	o := &cfg.Outputs[0]
	o.Aside = ResumeAside(o.Resume, run)
	request := infer.PartitionsRequest{Computation: s.request.Computation, Aside: o.Aside, Format: "json", Query: "SELECT x FROM t"}
	text, err := json.Marshal(request)
	if err != nil {
		s.t.Fatal(err)
	}
	cfg.Feeds = []reserve.FeedConfig{{Name: "predict", Epochs: 1, Purpose: reserve.Predict}}
	for i := range cfg.Members {
		cfg.Members[i].Feeds = []string{"predict"}
	}
	cfg.Infer = &Inference{Request: text}
	return cfg
}

// tableOf is what Spark reads: x, in these partitions.
func tableOf(t *testing.T, partitions ...string) infer.Table {
	t.Helper()
	var message bytes.Buffer
	w := ipc.NewWriter(&message, ipc.WithSchema(arrow.NewSchema([]arrow.Field{{Name: "x", Type: arrow.PrimitiveTypes.Int64}}, nil)))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return infer.Table{Schema: message.Bytes(), Plan: "plan", Settings: map[string]string{"zone": "UTC"}, Partitions: partitions}
}

func (s *site) sparkBegins(run string, table infer.Table) (*sparkRun, error) {
	s.t.Helper()
	cfg := s.bySpark(run)
	shared, err := shareOut(s.t.Context(), cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	if shared.from != (anew{}) || !strings.Contains(string(shared.work[reserve.Place{Job: "worker", Index: 0}]), `"records":"`+s.root+`/.out.tfos.resume/`+run+`/done"`) {
		s.t.Fatalf("shared out %+v %s", shared.from, shared.work[reserve.Place{Job: "worker", Index: 0}])
	}
	o := cfg.resumes()
	var missing []infer.Partition
	r, err := resume(s.t.Context(), cfg, *o, "model", false, func() (found *survey, err error) {
		found, missing, err = lookTable(s.t.Context(), *o, shared.partitions, table)
		return found, err
	})
	if err != nil {
		return nil, err
	}
	return &sparkRun{resumedPartitions: resumedPartitions{r, missing}, t: s.t, cfg: cfg, folder: s.root + "/.out.tfos.resume/" + run, digest: r.identity.Digest}, nil
}

func (s *site) spark(run string, partitions ...string) *sparkRun {
	s.t.Helper()
	r, err := s.sparkBegins(run, tableOf(s.t, partitions...))
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// predict is what an engine does of a partition.
func (r *sparkRun) predict(partition int, rows int64) {
	r.t.Helper()
	r.predictBad(partition, infer.Account{Read: rows, Rows: rows})
}

// predictBad is predict where there are bad rows.
func (r *sparkRun) predictBad(partition int, a infer.Account) {
	r.t.Helper()
	p := infer.ServedPartition{Partition: partition, Attempt: 9, Account: a}
	if a.Bad() > 0 {
		p.FirstBad = &infer.BadRow{Partition: &partition, Row: 1, Column: "x", Reason: "it is null"}
	}
	if a.Quarantined > 0 {
		p.Quarantine = &infer.QuarantineFile{Output: fmt.Sprintf("_quarantine/part-%05d-9.parquet", partition), Rows: a.Quarantined}
		stageText(r.t, r.folder+"/aside/"+p.Quarantine.Output, fmt.Sprintf("%d/%s", partition, r.cfg.Run))
		stageText(r.t, fmt.Sprintf("%s/aside/_quarantine/part-%05d-8.parquet", r.folder, partition), "an earlier attempt")
	}
	r.served = append(r.served, p)
	record := infer.ServedRecord{Digest: r.digest, Part: infer.PartitionResult{PartInfo: infer.PartInfo{ID: partition, Account: a, Run: r.cfg.Run, Quarantine: p.Quarantine, FirstBad: p.FirstBad}}}
	text, err := json.Marshal(record)
	if err != nil {
		r.t.Fatal(err)
	}
	stageText(r.t, r.folder+"/done/"+infer.RecordName(infer.PartitionName(partition)), string(text))
}

// commits is what Spark does when a task has ended.
func (r *sparkRun) commits(partition int, folders ...string) {
	r.t.Helper()
	if len(folders) == 0 {
		folders = []string{""}
	}
	for _, folder := range folders {
		stageText(r.t, fmt.Sprintf("%s/pending/0/task_1_m_%06d/%spart-%05d-%s.json", r.folder, partition, folder, partition, r.cfg.Run), strings.Repeat("x", partition+1))
	}
	stage(r.t, fmt.Sprintf("%s/pending/0/task_1_m_%06d/.part-%05d.json.crc", r.folder, partition, partition))
}

// moves is what Spark does when its job has ended, file by file.
func (r *sparkRun) moves(files ...string) {
	r.t.Helper()
	for _, file := range files {
		_, name, _ := strings.Cut(file, "/")
		to := r.folder + "/written/" + name
		err := os.MkdirAll(filepath.Dir(to), 0o755)
		if err == nil {
			err = os.Rename(r.folder+"/pending/0/"+file, to)
		}
		if err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *sparkRun) killed() {
	r.t.Helper()
	if err := r.lock.Close(); err != nil {
		r.t.Fatal(err)
	}
}

// ends publishes what there is.
func (r *sparkRun) ends() error {
	r.t.Helper()
	text, err := json.Marshal(infer.Result{Served: r.served, Digest: r.digest})
	if err != nil {
		r.t.Fatal(err)
	}
	result, err := sumResults(nil, [][]byte{text})
	if err == nil {
		err = r.add(result)
	}
	if err == nil {
		err = r.collect(r.t.Context(), r.cfg.Run, result, result.Served)
	}
	if err == nil {
		var job reserve.Work
		if job, err = open(r.cfg); err == nil {
			err = job.(*sparkRows).judge(result, r.resumedPartitions)
		}
	}
	if err == nil {
		_, err = publishOutputs(r.t.Context(), r.cfg, result, r.resumedPartitions)
	}
	return errors.Join(err, r.close(r.t.Context(), err == nil))
}

// carries names the partitions that were taken over, with the runs that made them.
func (r *sparkRun) carries() string {
	var out []string
	for _, p := range r.carried {
		made := p.Part.(infer.PartitionResult)
		out = append(out, fmt.Sprintf("%d=%s/%s", made.ID, made.Partition, made.Run))
	}
	return strings.Join(out, " ")
}

// sparksManifest lists the published output: partition, its digest, run, rows, bad
// rows, files, and of which partition and run the quarantine is.
func (s *site) sparksManifest() string {
	s.t.Helper()
	data, err := os.ReadFile(s.root + "/out/" + manifestName)
	var m manifest
	if err := errors.Join(err, json.Unmarshal(data, &m)); err != nil {
		s.t.Fatal(err)
	}
	var out []string
	var all infer.Account
	var aside []string
	for _, p := range m.Parts {
		r := p.(infer.PartitionResult)
		all.Add(r.Account)
		line := fmt.Sprintf("%d=%s/%s:%d", r.ID, r.Partition, r.Run, r.Rows)
		if r.Bad() > 0 {
			line += fmt.Sprintf("-%d", r.Bad())
		}
		if (r.FirstBad != nil) != (r.Bad() > 0) {
			s.t.Errorf("%s: the first bad row is %v", line, r.FirstBad)
		}
		for _, f := range r.Written {
			line += "," + f.Output
			if info, err := os.Stat(s.root + "/out/" + f.Output); err != nil || info.Size() != f.Bytes {
				s.t.Errorf("%+v: %v %v", f, info, err)
			}
		}
		if q := r.Quarantine; q != nil {
			text, err := os.ReadFile(s.root + "/out/" + q.Output)
			if err != nil || q.Rows != r.Quarantined || q.Output != fmt.Sprintf("_quarantine/part-%05d.parquet", r.ID) {
				s.t.Errorf("%s: %+v: %v", line, q, err)
			}
			line += "," + string(text)
			aside = append(aside, s.root+"/out/"+q.Output)
		}
		out = append(out, line)
	}
	if have, _ := filepath.Glob(s.root + "/out/_quarantine/*"); !slices.Equal(have, aside) {
		s.t.Errorf("quarantine files %v, want %v", have, aside)
	}
	if m.Account != all || all.Balance() != nil || len(m.BadPartitions) > 0 {
		s.t.Errorf("the manifest counts %+v, bad partitions %v; its parts are %+v", m.Account, m.BadPartitions, all)
	}
	return strings.Join(out, " ")
}

// TestPartitionsOfAKilledRun has every state in which a kill can leave a
// partition: record and committed files make it finished, nothing else does.
func TestPartitionsOfAKilledRun(t *testing.T) {
	s := newSite(t)
	r := s.spark("r1", "a", "b", "c", "d", "e", "f")
	s.want(r.carries(), "")
	r.predict(0, 3)
	r.commits(0, "day=1/", "day=2/")
	r.predict(1, 3)                                                         // not committed: its task was killed
	stage(t, r.folder+"/pending/0/_temporary/attempt_1/part-00001-r1.json") // half of it
	r.commits(2)                                                            // who knows how many rows
	r.digest = "of another model"
	r.predict(3, 3)
	r.commits(3)
	r.digest = r.identity.Digest
	r.predict(5, 4)
	r.commits(5)
	if n := r.kept(t.Context()); n != 2 {
		t.Errorf("%d partitions kept, want 2", n)
	}
	r.killed()

	// Numbers are Spark's of the day; the folder of r1 goes.
	r = s.spark("r2", "f", "b", "a", "new", "c", "d")
	s.want(r.carries(), "0=f/r1 2=a/r1")
	if got := r.start().Events[0].(reserve.Resumed); got.Splits != 2 || got.Rows != 7 || got.Missing != 4 || !slices.Equal(got.Done, []int{0, 2}) {
		t.Errorf("resumed %+v", got)
	}
	if len(r.warnings) > 0 || exists(s.root+"/.out.tfos.resume/r1") {
		t.Errorf("warnings %q, or the folder of r1 is left", r.warnings)
	}
	r.predict(3, 1)
	r.commits(3)
	r.killed()

	r = s.spark("r3", "a", "b", "c", "d", "f", "new")
	s.want(r.carries(), "0=a/r1 4=f/r1 5=new/r2")
	for partition := range 4 {
		if partition > 0 {
			r.predict(partition, 2)
			r.commits(partition)
		}
	}
	r.moves("task_1_m_000002/part-00002-r3.json")
	if err := r.ends(); err != nil {
		t.Fatal(err)
	}
	s.want(s.sparksManifest(), "0=a/r1:3,day=1/part-00000-r1.json,day=2/part-00000-r1.json 1=b/r3:2,part-00001-r3.json 2=c/r3:2,part-00002-r3.json "+
		"3=d/r3:2,part-00003-r3.json 4=f/r1:4,part-00005-r1.json 5=new/r2:1,part-00003-r2.json")
	if left, _ := filepath.Glob(s.root + "/.out*"); len(left) > 0 {
		t.Errorf("left beside the output: %v", left)
	}
}

// TestPartitionsKilledInTheJobsCommit: files of one partition are in two places.
func TestPartitionsKilledInTheJobsCommit(t *testing.T) {
	s := newSite(t)
	r := s.spark("r1", "a", "b")
	for partition := range 2 {
		r.predict(partition, 2)
		r.commits(partition, "day=1/", "day=2/")
	}
	r.moves("task_1_m_000000/day=1/part-00000-r1.json")
	r.killed()
	r = s.spark("r2", "a", "b")
	s.want(r.carries(), "0=a/r1 1=b/r1")
	if err := r.ends(); err != nil {
		t.Fatal(err)
	}
	s.want(s.sparksManifest(), "0=a/r1:2,day=1/part-00000-r1.json,day=2/part-00000-r1.json 1=b/r1:2,day=1/part-00001-r1.json,day=2/part-00001-r1.json")
}

// TestPartitionsDoubts: a file that was taken over is not what its record says.
func TestPartitionsDoubts(t *testing.T) {
	s := newSite(t)
	r := s.spark("r1", "a", "b")
	for partition := range 2 {
		r.predict(partition, 2)
		r.commits(partition)
	}
	r.killed()
	r = s.spark("r2", "a", "b", "c")
	s.want(r.carries(), "0=a/r1 1=b/r1")
	r.killed()
	if err := os.Truncate(r.folder+"/parts/part-00001-r1.json", 1); err != nil {
		t.Fatal(err)
	}
	r = s.spark("r3", "a", "b", "c")
	s.want(r.carries(), "0=a/r1")
	r.killed()
}

// TestPartitionsPublished goes on from a complete output.
func TestPartitionsPublished(t *testing.T) {
	s := newSite(t)
	r := s.spark("r1", "a", "empty", "b")
	r.predict(0, 2)
	r.commits(0)
	r.predict(2, 1)
	r.commits(2)
	if err := r.ends(); err != nil {
		t.Fatal(err)
	}
	s.want(s.sparksManifest(), "0=a/r1:2,part-00000-r1.json 1=empty/r1:0 2=b/r1:1,part-00002-r1.json")
	r = s.spark("r2", "empty", "a", "b")
	if r.changed || len(r.missing) > 0 {
		t.Errorf("changed %v, missing %v", r.changed, r.missing)
	}
	if err := r.ends(); err != nil {
		t.Fatal(err)
	}
	r = s.spark("r3", "a", "c", "empty") // b has gone, c has come
	s.want(r.carries(), "0=a/r1 2=empty/r1")
	if len(r.warnings) != 1 || !strings.Contains(r.warnings[0], "1 finished partitions of earlier runs are not used") {
		t.Errorf("warnings %q", r.warnings)
	}
	r.predict(1, 5)
	r.commits(1)
	if err := r.ends(); err != nil {
		t.Fatal(err)
	}
	s.want(s.sparksManifest(), "0=a/r1:2,part-00000-r1.json 1=c/r3:5,part-00001-r3.json 2=empty/r1:0")
	if exists(s.root + "/out/part-00002-r1.json") {
		t.Error("the rows of a file that has gone are there")
	}
	r = s.spark("r4", "a") // less is a change too
	if !r.changed {
		t.Error("nothing to do, with rows too many")
	}
	if len(r.warnings) > 0 { // nothing is computed again
		t.Errorf("warnings %q", r.warnings)
	}
	if err := r.ends(); err != nil {
		t.Fatal(err)
	}
	s.want(s.sparksManifest(), "0=a/r1:2,part-00000-r1.json")
}

// TestPartitionsOtherMeaning: what makes rows otherwise is named, and what was
// made so is left alone.
func TestPartitionsOtherMeaning(t *testing.T) {
	s := newSite(t, "a.json")
	publish := func() {
		t.Helper()
		r := s.spark("r1", "a")
		r.predict(0, 2)
		r.commits(0)
		if err := r.ends(); err != nil {
			t.Fatal(err)
		}
	}
	publish()
	base := tableOf(t, "a")
	for want, change := range map[string]func(*infer.Table){
		"what Spark does to read the input": func(table *infer.Table) { table.Plan = "other" },
		"zone":                              func(table *infer.Table) { table.Settings = map[string]string{"zone": "CET"} },
	} {
		table := base
		change(&table)
		_, err := s.sparkBegins("r2", table)
		if infer.InputExitCode(err) != 7 || !strings.Contains(fmt.Sprint(err), "it was made with something else: "+want) {
			t.Errorf("code %d: %v, want %q", infer.InputExitCode(err), err, want)
		}
	}
	if _, err := shareOut(t.Context(), s.config("r3")); infer.InputExitCode(err) == 0 || !strings.Contains(fmt.Sprint(err), "read_by") {
		t.Errorf("by executors over what Spark wrote: %v", err)
	}
	if err := os.Remove(s.root + "/out/part-00000-r1.json"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.sparkBegins("r4", base); infer.InputExitCode(err) != 7 || !strings.Contains(fmt.Sprint(err), "part-00000-r1.json is not in it as it was written") {
		t.Errorf("%v", err)
	}
}

// TestPartitionsWithBadRows carries partitions with bad rows from one killed run to
// the next, under other numbers, with their accounts and quarantine files.
func TestPartitionsWithBadRows(t *testing.T) {
	s := newSite(t)
	s.request.OnBadRow = infer.Quarantine
	r := s.spark("r1", "a", "b", "c", "d", "lost", "running")
	r.predictBad(0, infer.Account{Read: 3, Rows: 2, Quarantined: 1, GraphFailed: 1})
	r.commits(0)
	r.predictBad(1, infer.Account{Read: 2, Quarantined: 2}) // no row is left: Spark writes no file
	r.predict(2, 5)
	r.commits(2)
	r.predictBad(4, infer.Account{Read: 4, Rows: 3, Quarantined: 1})
	r.commits(4)
	lose := func(name string) {
		t.Helper()
		if err := os.Remove(s.root + "/.out.tfos.resume/" + name); err != nil {
			t.Fatal(err)
		}
	}
	lose("r1/aside/_quarantine/part-00004-9.parquet")
	r.predictBad(5, infer.Account{Read: 2, Rows: 1, Quarantined: 1}) // not committed
	if n := r.kept(t.Context()); n != 3 {
		t.Errorf("%d partitions kept, want 3", n)
	}
	r.killed()

	// d, the new 0, has a quarantine of the name that a's had.
	r = s.spark("r2", "d", "b", "c", "a", "lost", "running")
	s.want(r.carries(), "1=b/r1 2=c/r1 3=a/r1")
	if got := r.count(); got != (Carried{Splits: 3, Account: infer.Account{Read: 10, Rows: 7, Quarantined: 3, GraphFailed: 1}}) {
		t.Errorf("carried %+v", got)
	}
	r.predictBad(0, infer.Account{Read: 4, Rows: 3, Quarantined: 1})
	r.commits(0)
	r.killed()

	r = s.spark("r3", "a", "d", "c", "b", "lost", "running")
	s.want(r.carries(), "0=a/r1 1=d/r2 2=c/r1 3=b/r1")
	lose("r3/parts/_quarantine/part-00003.parquet")
	r.killed()

	r = s.spark("r4", "a", "d", "c", "b", "lost", "running")
	s.want(r.carries(), "0=a/r1 1=d/r2 2=c/r1")
	r.predictBad(3, infer.Account{Read: 2, Quarantined: 2})
	r.predictBad(4, infer.Account{Read: 4, Rows: 3, Quarantined: 1})
	r.commits(4)
	r.predict(5, 2)
	r.commits(5)
	if err := r.ends(); err != nil {
		t.Fatal(err)
	}
	s.want(s.sparksManifest(), "0=a/r1:2-1,part-00000-r1.json,0/r1 1=d/r2:3-1,part-00000-r2.json,0/r2 2=c/r1:5,part-00002-r1.json 3=b/r4:0-2,3/r4 "+
		"4=lost/r4:3-1,part-00004-r4.json,4/r4 5=running/r4:2,part-00005-r4.json")
	if left, _ := filepath.Glob(s.root + "/.out*"); len(left) > 0 {
		t.Errorf("left beside the output: %v", left)
	}

	r = s.spark("r5", "b", "c", "a", "d") // of what is published, two have gone
	s.want(r.carries(), "0=b/r4 1=c/r1 2=a/r1 3=d/r2")
	if err := r.ends(); err != nil {
		t.Fatal(err)
	}
	s.want(s.sparksManifest(), "0=b/r4:0-2,3/r4 1=c/r1:5,part-00002-r1.json 2=a/r1:2-1,part-00000-r1.json,0/r1 3=d/r2:3-1,part-00000-r2.json,0/r2")
	if err := os.Remove(s.root + "/out/_quarantine/part-00003.parquet"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.sparkBegins("r6", tableOf(t, "a")); infer.InputExitCode(err) != 7 || !strings.Contains(fmt.Sprint(err), "_quarantine/part-00003.parquet is not in it as it was written") {
		t.Errorf("%v", err)
	}
}

// TestPartitionsOnBadRow: partitions with bad rows are computed again when these
// are to be treated otherwise; the others are taken over.
func TestPartitionsOnBadRow(t *testing.T) {
	s := newSite(t)
	s.request.OnBadRow = infer.Quarantine
	r := s.spark("r1", "clean", "bad")
	r.predict(0, 5)
	r.commits(0)
	r.predictBad(1, infer.Account{Read: 3, Rows: 2, Quarantined: 1})
	r.commits(1)
	r.killed()
	s.request.OnBadRow = infer.Skip
	r = s.spark("r2", "clean", "bad")
	s.want(r.carries(), "0=clean/r1")
	r.predictBad(1, infer.Account{Read: 3, Rows: 2, Skipped: 1})
	r.commits(1)
	if err := r.ends(); err != nil {
		t.Fatal(err)
	}
	s.want(s.sparksManifest(), "0=clean/r1:5,part-00000-r1.json 1=bad/r2:2-1,part-00001-r2.json")
	if r = s.spark("r3", "clean", "bad"); r.changed {
		t.Error("nothing has changed")
	}
	r.killed()
	s.request.OnBadRow = infer.Quarantine
	r = s.spark("r4", "bad", "clean")
	s.want(r.carries(), "1=clean/r1")
	r.predictBad(0, infer.Account{Read: 3, Rows: 2, Quarantined: 1})
	r.commits(0)
	if err := r.ends(); err != nil {
		t.Fatal(err)
	}
	s.want(s.sparksManifest(), "0=bad/r4:2-1,part-00000-r4.json,0/r4 1=clean/r1:5,part-00000-r1.json")
	s.request.OnBadRow = infer.Fail
	r = s.spark("r5", "bad", "clean")
	s.want(r.carries(), "1=clean/r1")
	r.killed()
}

// TestPartitionsTooManyBadRows: the limit holds for all partitions together,
// whoever computed them. What a run has finished that is beyond it stays.
func TestPartitionsTooManyBadRows(t *testing.T) {
	s := newSite(t)
	most := 20.0
	s.request.OnBadRow, s.request.MaxBad = infer.Quarantine, &most
	r := s.spark("r1", "a", "b")
	r.predictBad(0, infer.Account{Read: 10, Rows: 7, Quarantined: 3})
	r.commits(0)
	r.killed()
	r = s.spark("r2", "a", "b")
	r.predictBad(1, infer.Account{Read: 10, Rows: 8, Quarantined: 2})
	r.commits(1)
	r.moves("task_1_m_000001/part-00001-r2.json")
	if err := r.ends(); infer.ExitCode(err) != 6 || !strings.Contains(err.Error(), `5 of 20 rows are bad (25%), and max_bad is 20%; the first is partition 0: row 1, column "x"`) {
		t.Errorf("%v", err)
	}
	if exists(s.root+"/out") || !exists(s.root+"/.out.tfos.resume/r2/done") {
		t.Error("published, or nothing is left for the next run")
	}
	most = 25
	r = s.spark("r3", "b", "a")
	s.want(r.carries(), "0=b/r2 1=a/r1")
	if err := r.ends(); err != nil {
		t.Fatal(err)
	}
	s.want(s.sparksManifest(), "0=b/r2:8-2,part-00001-r2.json,1/r2 1=a/r1:7-3,part-00000-r1.json,0/r1")
}

// TestPartitionsUnaccounted: predictions without files are no output.
func TestPartitionsUnaccounted(t *testing.T) {
	for want, spoil := range map[string]func(r *sparkRun){
		"3 rows of partition 1 were predicted, but Spark has written no file of it": func(r *sparkRun) { r.predict(1, 3) },
		"partition 7 was predicted, but was not missing":                            func(r *sparkRun) { r.predict(7, 3) },
		"partition 1: 9 rows read, but 3 predicted": func(r *sparkRun) {
			r.predictBad(1, infer.Account{Read: 9, Rows: 3, Skipped: 5})
			r.commits(1)
		},
		"partition 1: 2 quarantined, but": func(r *sparkRun) {
			r.predictBad(1, infer.Account{Read: 5, Rows: 3, Quarantined: 2})
			r.served[1].Quarantine.Rows = 1
			r.commits(1)
		},
		"partition 1: 1 quarantined, but <nil> written": func(r *sparkRun) {
			r.predictBad(1, infer.Account{Read: 5, Rows: 4, Quarantined: 1})
			r.served[1].Quarantine = nil
			r.commits(1)
		},
		"out: the run has not written it completely": func(r *sparkRun) {
			r.predictBad(1, infer.Account{Read: 5, Rows: 3, Quarantined: 2})
			r.served[1].Quarantine.Output = "_quarantine/part-00001-7.parquet"
			r.commits(1)
		},
	} {
		s := newSite(t)
		r := s.spark("r1", "a", "b")
		r.predict(0, 2)
		r.commits(0)
		spoil(r)
		if err := r.ends(); err == nil || !strings.Contains(err.Error(), want) || exists(s.root+"/out") {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestPartitionsModelChanges: what engines made of another model than earlier
// runs is not put beside it.
func TestPartitionsModelChanges(t *testing.T) {
	s := newSite(t)
	r := s.spark("r1", "a", "b")
	r.predict(0, 2)
	r.commits(0)
	r.killed()
	r = s.spark("r2", "a", "b")
	r.digest = "other"
	r.predict(1, 2)
	r.commits(1)
	if err := r.ends(); err == nil || !strings.Contains(err.Error(), "(the model): it has changed meanwhile") {
		t.Errorf("%v", err)
	}
}

// finishing is a run that goes on from what there is, and the work that its members'
// results are to finish.
func (s *site) finishing(run string, partitions ...string) (*sparkRows, *sparkRun) {
	s.t.Helper()
	job, err := open(s.bySpark(run))
	if err != nil {
		s.t.Fatal(err)
	}
	w := job.(*sparkRows)
	if _, start := w.ShareOut(s.t.Context()); start.End != nil {
		s.t.Fatalf("%+v", start)
	}
	line, err := json.Marshal(tableOf(s.t, partitions...))
	if err != nil {
		s.t.Fatal(err)
	}
	if _, known := w.Command(s.t.Context(), "partitions", line); !known {
		s.t.Fatal("partitions is no command")
	}
	from := w.from.(resumedPartitions)
	return w, &sparkRun{resumedPartitions: from, t: s.t, cfg: w.cfg, folder: from.folder(), digest: from.identity.Digest}
}

// finish has the work finish what engines predicted, when Spark has written so many
// rows. It returns the verdict, and its sum of the results without the parts.
func (r *sparkRun) finish(w *sparkRows, written int64) (v reserve.Verdict, sum total) {
	r.t.Helper()
	var made reserve.Made
	if len(r.served) > 0 {
		text, err := json.Marshal(infer.Result{Served: r.served, Digest: r.digest})
		if err != nil {
			r.t.Fatal(err)
		}
		made = reserve.Made{Results: [][]byte{text}, Written: map[string]int64{"predict": written}}
	}
	v, err := w.Finish(r.t.Context(), v, made)
	if err == nil {
		err = json.Unmarshal([]byte(strings.ReplaceAll(string(v.Infer), `"splits":[`, `"made_parts":[`)), &sum)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return v, sum
}

// TestPartitionsFinish goes the whole way of a run that resumes: what members
// predicted is published beside what was finished before, and only where Spark wrote
// as many rows.
func TestPartitionsFinish(t *testing.T) {
	s := newSite(t)
	r := s.spark("r1", "a", "b", "c")
	r.predict(0, 2)
	r.commits(0)
	r.killed()
	w, r := s.finishing("r2", "b", "a", "c")
	r.predict(0, 3)
	r.commits(0)
	r.predict(2, 4)
	r.commits(2)
	v, sum := r.finish(w, 8)
	if v.Code != 1 || v.Phase != "accounting" || !strings.Contains(v.Cause, "Spark wrote 8 rows, but took 7 predictions") || sum.Kept != 3 || exists(s.root+"/out") {
		t.Errorf("%+v, %d kept", v, sum.Kept)
	}

	for says, partition := range map[string]int{
		"3 rows of partition 1 were predicted, but Spark has written no file of it": 1,
		"partition 9 was predicted, but was not missing":                            9,
	} {
		bad := newSite(t)
		w, r := bad.finishing("r1", "b", "a", "c")
		r.predict(partition, 3)
		if v, _ := r.finish(w, 3); v.Code != exit.Internal || v.Phase != "accounting" || !strings.Contains(v.Cause, says) || exists(bad.root+"/out") {
			t.Errorf("%+v, want %q", v, says)
		}
	}

	// All is done: there are no members, and Spark writes nothing.
	w, r = s.finishing("r3", "b", "a", "c")
	s.want(r.carries(), "0=b/r2 1=a/r1 2=c/r2")
	if v, sum = r.finish(w, 0); v.Code != 0 || sum.Rows != 0 || sum.Carried == nil || sum.Carried.Rows != 9 {
		t.Errorf("%+v", v)
	}
	s.want(s.sparksManifest(), "0=b/r2:3,part-00000-r2.json 1=a/r1:2,part-00000-r1.json 2=c/r2:4,part-00002-r2.json")

	if err := os.RemoveAll(s.root + "/out"); err != nil {
		t.Fatal(err)
	}
	r = s.spark("r4", "a")
	r.predict(0, 2)
	r.commits(0)
	r.killed()
	w, r = s.finishing("r5", "b", "a", "c")
	r.predict(0, 3)
	r.commits(0)
	if v, sum = r.finish(w, 3); v.Code != 0 || sum.Rows != 3 || sum.Partitions != 1 || sum.Served != nil || sum.Carried.Rows != 2 {
		t.Errorf("%+v", v)
	}
	s.want(s.sparksManifest(), "0=b/r5:3,part-00000-r5.json 1=a/r4:2,part-00000-r4.json 2=c/r5:0")
}

// TestServePartitions: the driver says what partitions there are and hears which
// are done; where all are, the run ends without members.
func TestServePartitions(t *testing.T) {
	s := newSite(t)
	r := s.spark("r1", "a", "b", "c")
	for _, partition := range []int{0, 2} {
		r.predict(partition, 2)
		r.commits(partition)
	}
	r.killed()
	say := func(d *reservetest.Driver, partitions string) {
		d.Say(fmt.Sprintf(`{"cmd":"partitions","schema":%q,"plan":"plan","settings":{"zone":"UTC"},"partitions":%s}`,
			base64.StdEncoding.EncodeToString(tableOf(t).Schema), partitions))
	}
	d := begin(t, s.bySpark("r2"))
	say(d, `["c","b","a"]`)
	if e := d.Await("resumed"); fmt.Sprint(e["done"]) != "[0 2]" || e["splits"] != 2.0 || e["rows"] != 4.0 || e["missing"] != 1.0 {
		t.Errorf("resumed %v", e)
	}
	say(d, `["c"]`) // once is enough
	if v := d.AwaitVerdict(1); v["infer"].(map[string]any)["kept_splits"] != 2.0 {
		t.Errorf("verdict %v", v)
	}
	d.HangUp()

	d = begin(t, s.bySpark("r3"))
	say(d, `["c","a"]`)
	v := d.AwaitVerdict(0)
	if sum := v["infer"].(map[string]any); fmt.Sprint(sum["carried"]) != "map[quarantined:0 read:4 rows:4 skipped:0 splits:2]" || v["phase"] != "" {
		t.Errorf("verdict %v", v)
	}
	d.HangUp()
	s.want(s.sparksManifest(), "0=c/r1:2,part-00002-r1.json 1=a/r1:2,part-00000-r1.json")

	d = begin(t, s.bySpark("r4"))
	say(d, `["a","c"]`)
	if v := d.AwaitVerdict(0); v["phase"] != PhaseSkipped {
		t.Errorf("verdict %v", v)
	}
	d.HangUp()

	d = begin(t, s.bySpark("r5"))
	say(d, `["new"]`)
	if e := d.Await("resumed"); e["splits"] != 0.0 || e["missing"] != 1.0 {
		t.Errorf("resumed %v", e)
	}
	stage(t, s.root+"/.out.tfos.resume/r5/aside/_quarantine/part-00000-1.parquet")
	d.HangUp() // the driver died before anything was done
	if exists(s.root+"/.out.tfos.resume") || !exists(s.root+"/out/part-00000-r1.json") {
		t.Error("something useless is left, or the output is gone")
	}
}
