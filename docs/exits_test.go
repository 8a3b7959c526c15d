package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tfos/internal/exit"
)

// TestExitCodes holds the documentation's table, Python's constants and the
// meanings of the help against the constants of internal/exit.
func TestExitCodes(t *testing.T) {
	named := exitConstants(t)
	var codes, meant []int
	for _, code := range named {
		codes = append(codes, code)
	}
	for _, m := range exit.Meanings {
		meant = append(meant, int(m.Code))
		if m.Code.Meaning() != m.Text || m.Text == "" {
			t.Errorf("code %d means %q and %q", m.Code, m.Code.Meaning(), m.Text)
		}
	}
	slices.Sort(codes)
	if !slices.Equal(codes, meant) {
		t.Errorf("constants %v, meanings %v", codes, meant)
	}
	if documented := documentedCodes(t); !slices.Equal(codes, documented) {
		t.Errorf("constants %v, getting-started.md has %v", codes, documented)
	}
	for name, code := range pythonCodes(t) {
		if want, known := named[goName(name)]; !known || want != code {
			t.Errorf("scripts/tfos/exits.py: %s is %d, in Go %s is %d", name, code, goName(name), want)
		}
	}
}

// exitConstants are those of internal/exit by name.
func exitConstants(t *testing.T) map[string]int {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../internal/exit/exit.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Code" {
			if out[spec.Names[0].Name], err = strconv.Atoi(spec.Values[0].(*ast.BasicLit).Value); err != nil {
				t.Error(err)
			}
		}
		return true
	})
	return out
}

// documentedCodes are those in the first column of the table of
// getting-started.md.
func documentedCodes(t *testing.T) []int {
	t.Helper()
	text, err := os.ReadFile("getting-started.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "| code | meaning |")
	if !found {
		t.Fatal("getting-started.md: no table of exit codes")
	}
	var out []int
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			if len(out) > 0 {
				break
			}
			continue
		}
		for cell := range strings.SplitSeq(cells[1], ",") {
			if code, err := strconv.Atoi(strings.TrimSpace(cell)); err == nil {
				out = append(out, code)
			}
		}
	}
	return out
}

var (
	pythonConstant = regexp.MustCompile(`(?m)^([A-Z_]+) = (\d+)`)
	pythonNumber   = regexp.MustCompile(`\bcode(=|": )[1-9]|EXIT_\w+ *= *\d`)
)

// pythonCodes are the constants of exits.py; no other file may have its own.
func pythonCodes(t *testing.T) map[string]int {
	t.Helper()
	files, err := filepath.Glob("../scripts/tfos/*.py")
	if err != nil || len(files) == 0 {
		t.Fatal("no Python files", err)
	}
	out := map[string]int{}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(path) == "exits.py" {
			for _, m := range pythonConstant.FindAllStringSubmatch(string(text), -1) {
				if out[m[1]], err = strconv.Atoi(m[2]); err != nil {
					t.Error(err)
				}
			}
		} else if found := pythonNumber.Find(text); found != nil {
			t.Errorf("%s: an exit code as a number: %s", path, found)
		}
	}
	if len(out) == 0 {
		t.Error("scripts/tfos/exits.py has no code")
	}
	return out
}

// goName is NoSpark for NO_SPARK.
func goName(python string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(python, "_") {
		b.WriteString(word[:1] + strings.ToLower(word[1:]))
	}
	return b.String()
}
