package job

import (
	"regexp"
	"strings"
)

// sparkArchives is Spark's setting for archives that executors unpack: PATH#FOLDER, … YARN has
// one of its own, and ships them twice by this one.
const sparkArchives = "spark.archives"

// Folders into which executors unpack the job's archives, below their working directory.
const (
	environmentFolder = "tfos-environment"
	tensorFlowFolder  = "tfos-tensorflow"
)

// archive goes to executors with the job.
type archive struct{ key, path, folder string }

func (s *Spec) archives() []archive {
	var all []archive
	if s.Environment.Archive != "" {
		all = append(all, archive{"environment.archive", s.Environment.Archive, environmentFolder})
	}
	if s.TensorFlow.Archive != "" {
		all = append(all, archive{"tensorflow.archive", s.TensorFlow.Archive, tensorFlowFolder})
	}
	return all
}

// environmentPython is the Python of environment.archive, as executors find it; "": there is
// none.
func (s *Spec) environmentPython() string {
	if s.Environment.Archive == "" {
		return ""
	}
	return "./" + environmentFolder + "/bin/python"
}

// libraryFolder is where executors find libtensorflow; "": they look for it.
func (s *Spec) libraryFolder() string {
	if s.TensorFlow.Archive != "" {
		return "./" + tensorFlowFolder
	}
	return s.TensorFlow.LibDir
}

// addArchives adds the job's archives to those of the user's settings.
func (s *Spec) addArchives(conf map[string]string, setting string) {
	list := []string{}
	for _, a := range s.archives() {
		list = append(list, a.path+"#"+a.folder)
	}
	if len(list) == 0 {
		return
	}
	if given := strings.TrimSpace(conf[setting]); given != "" {
		list = append([]string{given}, list...)
	}
	conf[setting] = strings.Join(list, ",")
}

// unpacked are the names of archives that Spark and YARN unpack, each by its own code.
var unpacked = regexp.MustCompile(`\.(tar\.gz|tgz|tar|zip)$`)

// archives checks the job's archives.
func (r *rules) archives() {
	s := r.s
	for _, a := range s.archives() {
		switch {
		case s.Where().place().archivesConf == "":
			r.broken(a.key, a.path, "does not apply to %s: it has no executors that unpack it", s.Where())
		case !unpacked.MatchString(a.path):
			r.broken(a.key, a.path, "must be a .tar.gz, .tgz, .tar or .zip file: executors unpack it")
		case strings.ContainsAny(a.path, ",#"):
			r.broken(a.key, a.path, "must have no comma and no #: Spark's setting for archives is a list")
		}
	}
	if s.Environment.Archive != "" {
		if python := s.programInterpreter(); python != "" {
			r.broken("app.python.interpreter", python, "does not go with environment.archive: that is the Python of executors")
		}
		if python := s.Spark.Conf["spark.pyspark.python"]; python != "" {
			r.broken("spark.conf.spark.pyspark.python", python, "does not go with environment.archive: that is the Python of executors")
		}
	}
	if s.TensorFlow.Archive != "" && s.TensorFlow.LibDir != "" {
		r.broken("tensorflow.lib_dir", s.TensorFlow.LibDir, "does not go with tensorflow.archive: libtensorflow is in the archive")
	}
}
