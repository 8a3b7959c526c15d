package launch

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tfos/internal/exit"
)

// place makes a folder of executables and returns it.
func place(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFindSpark(t *testing.T) {
	home := place(t, map[string]string{"bin/spark-submit": "#!/bin/sh\n", "jars/spark-core_2.12-3.5.9.jar": ""})
	empty := t.TempDir()
	// The output of scripts/tfos/versions.py.
	asks := `#!/bin/sh
echo '{"python": "3.12", "pyspark": "` + home + `", "distutils": true, "refused": null}'
`
	java := "#!/bin/sh\necho 'openjdk version \"17.0.15\" 2025-04-15' >&2\n"
	tools := place(t, map[string]string{"python3": asks, "java": java})
	bare := place(t, map[string]string{"python3": "#!/bin/sh\necho '{\"python\": \"3.12\", \"pyspark\": null}'\n", "java": java})
	broken := place(t, map[string]string{"python3": "#!/bin/sh\necho no libpython >&2\nexit 1\n", "java": java})
	noJava := place(t, map[string]string{"python3": asks})
	project := place(t, map[string]string{".venv/bin/python": asks})
	path := func(dir string) Environ { return Environ{"PATH=" + dir + ":/bin:/usr/bin"} }
	only := func(dir string) Environ { return Environ{"PATH=" + dir} }

	tests := []struct {
		name           string
		search         Search
		python, source string
		err            string // part of the error; "" means success
	}{
		{"the job's", Search{Home: home, Env: path(tools).With("SPARK_HOME", empty)}, tools + "/python3", "spark.home", ""},
		{"the settings'", Search{Spark: home, Env: path(tools).With("SPARK_HOME", empty)}, tools + "/python3", "TFOS_SPARK_HOME", ""},
		{"the environment's", Search{Env: path(tools).With("SPARK_HOME", home)}, tools + "/python3", "SPARK_HOME", ""},
		{"pip", Search{Env: path(tools)}, tools + "/python3", "pip", ""},
		{".venv before python3", Search{Dirs: []string{empty, project}, Env: path(bare)}, project + "/.venv/bin/python", "pip", ""},
		{"the setting before .venv", Search{Python: tools + "/python3", Dirs: []string{project}, Env: path(bare)}, tools + "/python3", "pip", ""},
		{"PYSPARK_PYTHON before python3", Search{Env: path(bare).With("PYSPARK_PYTHON", tools+"/python3")}, tools + "/python3", "pip", ""},
		{"PYSPARK_PYTHON of other hosts", Search{Env: path(tools).With("PYSPARK_PYTHON", "/opt/none/python")}, tools + "/python3", "pip", ""},
		{"a home without Spark is not passed over", Search{Home: empty, Env: path(tools).With("SPARK_HOME", home)}, "", "", "spark.home is " + empty},
		{"nothing anywhere", Search{Env: path(bare)}, "", "", "pip install pyspark"},
		{"a Python that does not run", Search{Env: path(broken)}, "", "", "no libpython"},
		{"a Python that is not there", Search{Python: "/opt/none/python", Env: path(tools)}, "", "", "TFOS_PYTHON"},
		{"no Python", Search{Env: only(empty)}, "", "", "install the package python3"},
		{"no Java", Search{Home: home, Env: only(noJava)}, "", "", "openjdk-17-jre-headless"},
		{"JAVA_HOME without Java", Search{Home: home, Env: path(tools).With("JAVA_HOME", empty)}, "", "", "JAVA_HOME"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := FindSpark(deadline(t), tt.search)
			if tt.err != "" {
				if CodeOf(err) != exit.NoSpark || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v (code %d), want %q in it", err, CodeOf(err), tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got.Python = Python{Path: got.Python.Path, Version: got.Python.Version}
			want := Spark{
				Home: home, Submit: home + "/bin/spark-submit", Source: tt.source, Version: "3.5.9", Java: 17,
				Python: Python{Path: tt.python, Version: Version{3, 12}},
			}
			if got != want {
				t.Errorf("\n got %+v\nwant %+v", got, want)
			}
		})
	}
}

// A dry run finds Spark without starting a process, where it can.
func TestKnownSpark(t *testing.T) {
	venv := place(t, map[string]string{
		".venv/bin/python": "#!/bin/sh\ntouch \"$0.started\"\n",
		".venv/lib/python3.11/site-packages/pyspark/bin/spark-submit": "#!/bin/sh\n",
	})
	got := KnownSpark(Search{Dirs: []string{venv}, Env: Environ{"PATH=/none"}})
	if want := venv + "/.venv/lib/python3.11/site-packages/pyspark/bin/spark-submit"; got.Submit != want {
		t.Errorf("submit %q, want %q", got.Submit, want)
	}
	if _, err := os.Stat(venv + "/.venv/bin/python.started"); err == nil {
		t.Error("a process was started")
	}
	if got := KnownSpark(Search{Env: Environ{"PATH=/none"}}); got.Submit != "spark-submit" || got.Python.Path != "python3" {
		t.Errorf("with nothing there: %+v", got)
	}
}

func TestEnviron(t *testing.T) {
	s := Spark{Home: "/spark", Python: Python{Path: "/v/python"}}
	base := Environ{"A=1", "LANG=en_GB.UTF-8", "SPARK_HOME=/other", "SPARK_LOCAL_DIRS=/data", "SPARK_SUBMIT_OPTS=-Dx=y", "TMPDIR=/var/tmp"}
	always := []string{"A=1", "LANG=en_GB.UTF-8", "PYSPARK_DRIVER_PYTHON=/v/python", "SPARK_HOME=/spark",
		"SPARK_LAUNCHER_OPTS=-XX:TieredStopAtLevel=1 -XX:-UsePerfData", `SPARK_SUBMIT_OPTS="-Djava.io.tmpdir=/tmp/s/tmp" -Dx=y -XX:-UsePerfData`, "TFOS_RUN=r", "TMPDIR=/tmp/s/tmp"}
	for here, local := range map[bool]string{true: "SPARK_LOCAL_DIRS=/tmp/s/spark", false: "SPARK_LOCAL_DIRS=/data"} {
		got := slices.Sorted(slices.Values(s.Environ(base, Child{Run: "r", Scratch: Scratch{Dir: "/tmp/s"}, ThisMachine: here})))
		want := slices.Sorted(slices.Values(append([]string{local}, always...)))
		if !slices.Equal(got, want) {
			t.Errorf("on this machine %t\n got %q\nwant %q", here, got, want)
		}
	}
}

// A JVM without rows compiles little, unless the user sets another option.
func TestEnvironLight(t *testing.T) {
	base := Environ{"SPARK_SUBMIT_OPTS=-XX:TieredStopAtLevel=4"}
	for light, want := range map[bool]string{
		true:  `"-Djava.io.tmpdir=/tmp/s/tmp" -XX:TieredStopAtLevel=1 -XX:TieredStopAtLevel=4 -XX:-UsePerfData`,
		false: `"-Djava.io.tmpdir=/tmp/s/tmp" -XX:TieredStopAtLevel=4 -XX:-UsePerfData`,
	} {
		if got := (Spark{}).Environ(base, Child{Scratch: Scratch{Dir: "/tmp/s"}, Light: light}).Get("SPARK_SUBMIT_OPTS"); got != want {
			t.Errorf("light %v: %s", light, got)
		}
	}
}

// Java 17 cannot open a path with characters beyond ASCII in the C locale,
// which cron has.
func TestEnvironLocale(t *testing.T) {
	for _, c := range []struct {
		base Environ
		want string
	}{
		{Environ{}, "C.UTF-8"},
		{Environ{"LANG=C"}, "C.UTF-8"},
		{Environ{"LANG=de_DE.UTF-8", "LC_ALL=POSIX"}, "C.UTF-8"},
		{Environ{"LANG=de_DE.UTF-8"}, ""},
		{Environ{"LANG=C", "LC_CTYPE=en_US.UTF-8"}, ""},
	} {
		got := Spark{}.Environ(c.base, Child{Scratch: Scratch{Dir: "/tmp/s"}}).Get("LC_ALL")
		if got != c.want {
			t.Errorf("%q: LC_ALL %q, want %q", c.base, got, c.want)
		}
	}
}
