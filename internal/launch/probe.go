package launch

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"tfos/internal/exit"
)

// probeTimeout bounds asking a Python or a Java for its version. That takes 0.1
// s, and longer on a slow file system.
const probeTimeout = 30 * time.Second

// Python is an interpreter and what it reports of itself: facts() in
// scripts/tfos/versions.py.
type Python struct {
	Path      string  `json:"-"`
	Version   Version `json:"python"`
	PySpark   string  `json:"pyspark"` // the package's folder; "" without one
	Distutils bool    `json:"distutils"`
	// Refused says why this Python's TensorFlow cannot be imported. "": it can,
	// or there is none.
	Refused string `json:"refused"`
}

// Version is a major and a minor version. The zero Version is unknown.
type Version struct{ Major, Minor int }

var leadingVersion = regexp.MustCompile(`^(\d+)(?:\.(\d+))?`)

// parseVersion reads major and minor version from the beginning of text. It
// returns the zero Version for other text.
func parseVersion(text string) Version {
	m := leadingVersion.FindStringSubmatch(text)
	if m == nil {
		return Version{}
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2])
	return Version{major, minor}
}

// UnmarshalText sets v to parseVersion of text.
func (v *Version) UnmarshalText(text []byte) error {
	*v = parseVersion(string(text))
	return nil
}

func (v Version) String() string { return strconv.Itoa(v.Major) + "." + strconv.Itoa(v.Minor) }

func (v Version) known() bool { return v != Version{} }

func (v Version) before(o Version) bool {
	return v.Major < o.Major || v.Major == o.Major && v.Minor < o.Minor
}

// askPython runs the interpreter with s.Probe. It imports no package.
func (s Search) askPython(ctx context.Context, path string) (Python, error) {
	stdout, stderr, err := s.output(ctx, path, "-c", s.Probe)
	if ctx.Err() != nil {
		return Python{}, context.Cause(ctx)
	}
	if err != nil {
		return Python{}, fail(exit.NoSpark, "find python", "%s does not run: %v: %s", path, err, lastLine(stderr))
	}
	p := Python{Path: path}
	if err := json.Unmarshal([]byte(lastLine(stdout)), &p); err != nil {
		return Python{}, fail(exit.NoSpark, "find python", "%s is no Python: asked for its version it wrote %q: set TFOS_PYTHON to a Python", path, lastLine(stdout))
	}
	return p, nil
}

var javaVersion = regexp.MustCompile(`version "(?:1\.)?(\d+)`)

// askJava returns the major version of a java, or 0 if it does not report one.
// The JVM writes it to standard error.
func (s Search) askJava(ctx context.Context, path string) (int, error) {
	_, stderr, err := s.output(ctx, path, "-version")
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if err != nil {
		return 0, fail(exit.NoSpark, "find java", "%s does not run: %v: %s: install the package openjdk-17-jre-headless, or set JAVA_HOME", path, err, lastLine(stderr))
	}
	m := javaVersion.FindStringSubmatch(stderr)
	if m == nil {
		return 0, nil
	}
	return strconv.Atoi(m[1])
}

// output runs a command in the environment that the run will have.
func (s Search) output(ctx context.Context, argv ...string) (stdout, stderr string, err error) {
	within, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	cmd := exec.CommandContext(within, argv[0], argv[1:]...)
	cmd.Env = s.Env
	cmd.WaitDelay = time.Second
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	err = cmd.Run()
	return out.String(), talk.String(), err
}

// sparkVersion returns the version of an installation, from the name of its
// core library, or "".
func sparkVersion(home string) string {
	found, _ := filepath.Glob(filepath.Join(home, "jars", "spark-core_*.jar"))
	if len(found) == 0 {
		return ""
	}
	_, version, _ := strings.Cut(strings.TrimSuffix(filepath.Base(found[0]), ".jar"), "-core_")
	_, version, _ = strings.Cut(version, "-")
	return version
}
