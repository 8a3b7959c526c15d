package launch

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Spark is an installation that can submit.
type Spark struct {
	Home   string // folder with bin/spark-submit
	Submit string // bin/spark-submit, absolute
	Python string // the Python in use
	Source string // what named it: spark.home, TFOS_SPARK_HOME, SPARK_HOME, pip
}

// pipPySpark prints pyspark's folder without importing it: the import costs a
// second and starts to look for Java.
const pipPySpark = `import importlib.util as u
s = u.find_spec("pyspark")
print(list(s.submodule_search_locations)[0] if s else "")`

// FindSpark finds Spark and checks that Java is there. A place that was named
// and holds no Spark is an error; it is not passed over. All errors have the
// code NoSpark and end with the remedy.
func FindSpark(ctx context.Context, s Search) (Spark, error) {
	python, err := FindPython(s)
	if err != nil {
		return Spark{}, err
	}
	spark := Spark{Python: python}
	if home, source := s.named(); home != "" {
		spark.Home, spark.Source = home, source
		if err := spark.submit(s); err != nil {
			return Spark{}, fail(NoSpark, "find spark", "%s is %s, which has no bin/spark-submit (%v): point it at a Spark installation", source, home, err)
		}
	} else if err := spark.pip(ctx, s); err != nil {
		return Spark{}, err
	}
	if err := s.findJava(); err != nil {
		return Spark{}, err
	}
	return spark, nil
}

// KnownSpark is what FindSpark would find, as far as that can be told without
// starting a process: for a dry run. Nothing found: Submit is "spark-submit".
func KnownSpark(s Search) Spark {
	python, err := FindPython(s)
	if err != nil {
		python = "python3"
	}
	spark := Spark{Python: python, Submit: "spark-submit"}
	home, source := s.named()
	if home == "" {
		// A virtual environment has its packages beside the interpreter.
		found, _ := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(python)), "lib", "python3*", "site-packages", "pyspark"))
		if len(found) == 0 {
			return spark
		}
		home, source = found[0], "pip"
	}
	spark.Home, spark.Source = home, source
	if spark.submit(s) != nil {
		return Spark{Python: python, Submit: "spark-submit"}
	}
	return spark
}

// named is the folder that the job, the settings or the environment name.
func (s Search) named() (home, source string) {
	switch {
	case s.Home != "":
		return s.Home, "spark.home"
	case s.Spark != "":
		return s.Spark, "TFOS_SPARK_HOME"
	}
	return s.Env.Get("SPARK_HOME"), "SPARK_HOME"
}

// submit fills Submit from Home.
func (s *Spark) submit(search Search) error {
	p, err := search.look(filepath.Join(s.Home, "bin", "spark-submit"))
	if err != nil {
		return err
	}
	s.Submit = p
	s.Home = filepath.Dir(filepath.Dir(p))
	return nil
}

// pip finds the pyspark package of the Python in use.
func (s *Spark) pip(ctx context.Context, search Search) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.Python, "-c", pipPySpark)
	cmd.Env = search.Env
	cmd.WaitDelay = time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if ctx.Err() != nil && context.Cause(ctx) != context.DeadlineExceeded {
		return context.Cause(ctx)
	}
	if err != nil {
		return fail(NoSpark, "find spark", "%s does not run: %v: %s", s.Python, err, lastLine(stderr.String()))
	}
	s.Home, s.Source = strings.TrimSpace(string(out)), "pip"
	if s.Home == "" {
		return fail(NoSpark, "find spark", "no Spark found (spark.home, SPARK_HOME, pyspark of %s): set SPARK_HOME, or run: %s -m pip install pyspark==3.5.9", s.Python, s.Python)
	}
	if err := s.submit(search); err != nil {
		return fail(NoSpark, "find spark", "pyspark of %s in %s has no bin/spark-submit (%v): install it again", s.Python, s.Home, err)
	}
	return nil
}

// findJava looks where Spark's own spark-class does.
func (s Search) findJava() error {
	if home := s.Env.Get("JAVA_HOME"); home != "" {
		if _, err := s.look(filepath.Join(home, "bin", "java")); err != nil {
			return fail(NoSpark, "find java", "JAVA_HOME is %s, which has no bin/java (%v): correct it or unset it", home, err)
		}
		return nil
	}
	if _, err := s.look("java"); err != nil {
		return fail(NoSpark, "find java", "Spark needs Java and none is on PATH: install the package openjdk-17-jre-headless, or set JAVA_HOME")
	}
	return nil
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}
