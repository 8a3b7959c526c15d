package launch

import (
	"context"
	"path/filepath"
	"strings"

	"tfos/internal/exit"
)

// Spark is an installation with spark-submit.
type Spark struct {
	Home    string // folder with bin/spark-submit
	Submit  string // bin/spark-submit, absolute
	Source  string // what named it: spark.home, TFOS_SPARK_HOME, SPARK_HOME, pip
	Version string // such as 3.5.9; "" if its files do not say
	Java    int    // the major version; 0 if Java does not report it
	Python  Python // the Python in use
}

// FindSpark finds Spark, Java and the Python in use, and asks for their
// versions. A configured place without Spark is an error; it is not skipped.
// All errors have the code NoSpark and end with the remedy.
func FindSpark(ctx context.Context, s Search) (Spark, error) {
	python, err := FindPython(s)
	if err != nil {
		return Spark{}, err
	}
	var spark Spark
	if spark.Python, err = s.askPython(ctx, python); err != nil {
		return Spark{}, err
	}
	if home, source := s.namedHome(); home != "" {
		spark.Home, spark.Source = home, source
		if err := spark.findSubmit(s); err != nil {
			return Spark{}, fail(exit.NoSpark, "find spark", "%s is %s, which has no bin/spark-submit (%v): point it at a Spark installation", source, home, err)
		}
	} else if err := spark.findPySpark(s); err != nil {
		return Spark{}, err
	}
	spark.Version = sparkVersion(spark.Home)
	java, err := s.findJava()
	if err != nil {
		return Spark{}, err
	}
	spark.Java, err = s.askJava(ctx, java)
	return spark, err
}

// KnownSpark returns what FindSpark would find, as far as possible without
// starting a process, for a dry run. If nothing is found, Submit is
// "spark-submit".
func KnownSpark(s Search) Spark {
	python, err := FindPython(s)
	if err != nil {
		python = "python3"
	}
	spark := Spark{Python: Python{Path: python}, Submit: "spark-submit"}
	home, source := s.namedHome()
	if home == "" {
		// A virtual environment has its packages next to the interpreter.
		found, _ := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(python)), "lib", "python3*", "site-packages", "pyspark"))
		if len(found) == 0 {
			return spark
		}
		home, source = found[0], "pip"
	}
	spark.Home, spark.Source = home, source
	if spark.findSubmit(s) != nil {
		return Spark{Python: spark.Python, Submit: "spark-submit"}
	}
	return spark
}

// namedHome returns the folder that the job, the settings or the environment
// name, and where it is named.
func (s Search) namedHome() (home, source string) {
	switch {
	case s.Home != "":
		return s.Home, "spark.home"
	case s.Spark != "":
		return s.Spark, "TFOS_SPARK_HOME"
	}
	return s.Env.Get("SPARK_HOME"), "SPARK_HOME"
}

// findSubmit sets Submit, and makes Home absolute.
func (s *Spark) findSubmit(search Search) error {
	p, err := search.findExecutable(filepath.Join(s.Home, "bin", "spark-submit"))
	if err != nil {
		return err
	}
	s.Submit = p
	s.Home = filepath.Dir(filepath.Dir(p))
	return nil
}

// findPySpark uses the pyspark package of the Python in use.
func (s *Spark) findPySpark(search Search) error {
	python := s.Python.Path
	s.Home, s.Source = s.Python.PySpark, "pip"
	if s.Home == "" {
		return fail(exit.NoSpark, "find spark", "no Spark found (spark.home, SPARK_HOME, pyspark of %s): set SPARK_HOME, or run: %s -m pip install pyspark==3.5.9", python, python)
	}
	if err := s.findSubmit(search); err != nil {
		return fail(exit.NoSpark, "find spark", "pyspark of %s in %s has no bin/spark-submit (%v): install it again", python, s.Home, err)
	}
	return nil
}

// findJava returns the java that Spark's own spark-class uses.
func (s Search) findJava() (string, error) {
	if home := s.Env.Get("JAVA_HOME"); home != "" {
		java, err := s.findExecutable(filepath.Join(home, "bin", "java"))
		if err != nil {
			return "", fail(exit.NoSpark, "find java", "JAVA_HOME is %s, which has no bin/java (%v): correct it or unset it", home, err)
		}
		return java, nil
	}
	java, err := s.findExecutable("java")
	if err != nil {
		return "", fail(exit.NoSpark, "find java", "Spark needs Java and none is on PATH: install the package openjdk-17-jre-headless, or set JAVA_HOME")
	}
	return java, nil
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}
