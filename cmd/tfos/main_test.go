package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"testing/fstest"

	"github.com/klauspost/compress/s2"
	"github.com/rogpeppe/go-internal/testscript"

	"tfos/internal/exit"
	"tfos/internal/launch"
)

var update = flag.Bool("update", false, "rewrite what scripts in testdata expect")

// The commands of the scripts: tfos with two shell scripts as payload, and tfos
// as it is before make build.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"tfos": func() {
			os.Exit(newCLI(fstest.MapFS{
				"tfos-node.s2":   &fstest.MapFile{Data: zipped("#!/bin/sh\nif [ \"$1\" = local ]; then . \"$FAKE\"; fi\necho node\n")},
				"tfos-engine.s2": &fstest.MapFile{Data: zipped("#!/bin/sh\necho engine\n")},
			}).run(os.Args[1:]))
		},
		"driver":       program(driver),
		"lines":        program(lines),
		"tfos-unbuilt": func() { os.Exit(newCLI(fstest.MapFS{}).run(os.Args[1:])) },
	})
}

func zipped(text string) []byte {
	var b bytes.Buffer
	w := s2.NewWriter(&b)
	_, err := w.Write([]byte(text))
	if err = errors.Join(err, w.Close()); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// Scripts run with a Python and a Java that do nothing, and with a spark-submit
// at $WORK/spark that runs the shell script $FAKE.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Setup:         setUp,
		Cmds:          map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

func setUp(env *testscript.Env) error {
	for name, text := range map[string]string{
		"tools/python3":          "#!/bin/sh\necho '{\"python\": \"3.12\", \"pyspark\": null}'\n",
		"tools/java":             "#!/bin/sh\n",
		"spark/bin/spark-submit": "#!/bin/sh\n. \"$FAKE\"\n",
		"spark/jars/a.jar":       "",
	} {
		path := filepath.Join(env.WorkDir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			return err
		}
	}
	for _, dir := range []string{"t", "home"} {
		if err := os.Mkdir(filepath.Join(env.WorkDir, dir), 0o755); err != nil {
			return err
		}
	}
	env.Setenv("ONLY_TFOS", filepath.SplitList(env.Getenv("PATH"))[0])
	env.Setenv("PATH", filepath.Join(env.WorkDir, "tools")+":"+env.Getenv("PATH"))
	env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
	env.Setenv("TMPDIR", filepath.Join(env.WorkDir, "t"))
	env.Setenv("TFOS_STATE_DIR", filepath.Join(env.WorkDir, "state"))
	return nil
}

// exits N COMMAND… runs a command and compares its exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d\n%s%s", got, want, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

func TestRunID(t *testing.T) {
	c := newCLI(nil)
	for name, want := range map[string]string{
		"digits":                               "digits-",
		"My model: v2 / ümlaut":                "My-model-v2-mlaut-",
		"a name that is much longer than that": "a-name-that-is-much-",
		"…":                                    "run-",
	} {
		got, err := newRunID(name, c.now())
		if form := runIDForm.MatchString(got); err != nil || !form || got[:len(want)] != want {
			t.Errorf("newRunID(%q) = %q, %v; want %q…", name, got, err, want)
		}
	}
	for _, bad := range []string{"a/b", "../x", ".x", "-x", "a b", fmt.Sprintf("%065d", 1)} {
		if err := checkRunID(bad); launch.CodeOf(err) != exit.Usage {
			t.Errorf("--run-id %q: %v", bad, err)
		}
	}
}
