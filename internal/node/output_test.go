package node

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestOutputKeepsTheLastErrorLines(t *testing.T) {
	dir := t.TempDir()
	var forward bytes.Buffer
	o := openOutput(dir, t.TempDir(), "worker-1", &forward, testLog())
	var in strings.Builder
	for i := range 100 {
		fmt.Fprintf(&in, "line %d\n", i)
	}
	in.WriteString("step 1\rstep 2\r\xff" + strings.Repeat("x", 2*tailWidth) + "\nno end")
	o.copy(iotest.HalfReader(strings.NewReader(in.String())), true)
	o.copy(strings.NewReader("stdout"), false)
	last := o.last()
	if len(last) != tailLines {
		t.Fatalf("%d lines, want %d", len(last), tailLines)
	}
	if want := []string{"line 99", "step 1", "step 2"}; !slices.Equal(last[tailLines-5:tailLines-2], want) {
		t.Errorf("%q, want %q before the last two", last[tailLines-5:], want)
	}
	if cut := last[tailLines-2]; !strings.HasPrefix(cut, "?xxx") || !strings.HasSuffix(cut, "x ...") || len(cut) > tailWidth+10 {
		t.Errorf("a long line of bad UTF-8 is kept as %q", cut)
	}
	if last[tailLines-1] != "no end" {
		t.Errorf("last line %q", last[tailLines-1])
	}
	if err := o.close(); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(filepath.Join(dir, "worker-1.log"))
	if err != nil {
		t.Fatal(err)
	}
	if want := in.String() + "stdout"; string(log) != want || forward.String() != want {
		t.Errorf("log and forwarded copy differ from the input")
	}
	if got, want := o.bytes.Load(), int64(len(in.String())+len("stdout")); got != want {
		t.Errorf("%d bytes counted, want %d", got, want)
	}
}

func TestOutputBreaksEndlessLines(t *testing.T) {
	var forward bytes.Buffer
	o := openOutput("", t.TempDir(), "x", &forward, testLog())
	endless := strings.Repeat("y", 3*longestLine+7)
	o.copy(strings.NewReader(endless), true)
	if forward.String() != endless {
		t.Errorf("%d bytes came through, want %d", forward.Len(), len(endless))
	}
}

func TestOutputFallsBackToTheFilesFolder(t *testing.T) {
	files := t.TempDir()
	file := filepath.Join(files, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{"": files, filepath.Join(file, "below"): files} {
		o := openOutput(dir, files, "ps-0", &bytes.Buffer{}, testLog())
		if o.path != filepath.Join(want, "tfos-ps-0.log") {
			t.Errorf("dir %q: log %q", dir, o.path)
		}
	}
	o := openOutput("", filepath.Join(file, "below"), "ps-0", &bytes.Buffer{}, testLog())
	o.copy(strings.NewReader("still read\n"), true)
	if o.path != "" || len(o.last()) != 1 {
		t.Errorf("without a log: path %q, lines %q", o.path, o.last())
	}
}
