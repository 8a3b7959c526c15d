package job

import "tfos/internal/infer"

// Warnings are what is allowed but seldom meant, in the order of the file. They
// have the code 0.
func (s *Spec) Warnings() []Fault {
	r := &rules{s: s}
	l := s.layout()
	where := l.master.where
	place := where.place()
	switch {
	case where == SparkLocal && l.slots < 0:
		r.broken("spark.master", s.Spark.Master, "whether %d members have room depends on this machine's cores", s.size())
	case where == LocalCluster && s.Spark.Master != "" && s.sparkTasks() && l.taskCPUs*2 <= l.executorCores:
		r.broken("spark.master", s.Spark.Master, "Spark can put two members on one executor: give executors 3 cores or more")
	}
	if where.sharedExecutor() && s.sparkTasks() {
		r.broken("spark.master", s.Spark.Master, "Spark does not retry tasks there: a feed task that fails ends the run")
	}
	for _, role := range s.roles() {
		for _, key := range place.unenforced {
			if at := "resources." + role.job + "." + key; s.source.given(at) {
				r.broken(at, "", "%s", place.why)
			}
		}
	}
	if given := s.sparkGPUs(); given > 0 {
		for _, role := range s.roles() {
			if idle := given - role.role.GPUs; idle > 0 {
				r.broken("resources."+role.job+".gpus", role.role.GPUs,
					"Spark gives all executors of a job alike: idle beside each %s: %s", role.job, plural(int64(idle), "GPU"))
			}
		}
	}
	if key := place.uploadConf; key != "" && s.InCluster() && s.Spark.Conf[key] == "" {
		r.broken("spark.deploy_mode", "cluster", "Spark needs %s to ship files of this machine", key)
	}
	r.warnRecord()
	if s.kind == Train {
		r.warnTraining()
	}
	if why := s.sparkReason(&s.Input.Source); s.predicts() == infer.Partitions && s.ReadBy == byEither && why != "" {
		r.broken("read_by", bySpark, "because %s", why)
	}
	faults := Faults(r.faults)
	faults.sort()
	for i := range faults {
		faults[i].Code = 0
	}
	return faults
}

func (r *rules) warnTraining() {
	s := r.s
	kept := s.ExportDir != "" || s.ModelDir != "" || s.Output != nil
	if p := s.App.Python; !kept && (p == nil || len(p.Outputs) == 0) {
		r.broken("export_dir", "", "nothing of the training is kept: none of export_dir, model_dir, output and app.python.outputs is given")
	}
	if s.App.Python == nil {
		return
	}
	parameters := s.parameters("")
	for i, arg := range s.App.Python.Args.Argv {
		for _, m := range placeholder.FindAllStringSubmatch(arg, -1) {
			if _, known := parameters[m[1]]; !known {
				r.broken(indexed("app.python.args", i), arg, "%s is no parameter of the job: it stays as it is", m[0])
			}
		}
	}
	if s.chiefSchedules() && s.sparkFed() {
		r.broken("chief", s.Chief, "ParameterServerStrategy pulls its dataset through the chief: Spark feeds the chief alone")
	}
	if s.Shuffle != nil && s.Shuffle.Buffer < int(s.BatchSize) {
		r.broken("shuffle.buffer", s.Shuffle.Buffer, "is smaller than a batch (%d rows)", s.BatchSize)
	}
}
