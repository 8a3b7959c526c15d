package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestFramesOfProtocols holds section 5 of protocols.md against frames.py, both
// ways. A test of internal/feed holds frames.py against Go.
func TestFramesOfProtocols(t *testing.T) {
	coded := pairs(`(?m)^([A-Z_]+) = (0x[0-9A-F]{2})$`, read(t, "../scripts/tfos/frames.py"))
	documented := map[string]string{}
	for number, name := range pairs(`(?m)^\| (0x[0-9A-F]{2}) ([A-Z_]+) \|`, section(t, "protocols.md", "## 5. ")) {
		documented[name] = number
	}
	if !maps.Equal(coded, documented) {
		t.Errorf("frames.py has %v, protocols.md %v", coded, documented)
	}
}

// TestCommandsOfProtocols holds the commands of section 3 against what the Go
// half obeys and what the Python driver sends.
func TestCommandsOfProtocols(t *testing.T) {
	documented := names(`"cmd":"(\w+)"`, section(t, "protocols.md", "### Standard input"))
	obeyed := append(names(`case "(\w+)":`, body(t, "../internal/reserve/line.go", "command")),
		names(`name != "(\w+)"`, readAll(t, "../internal/work/*.go"))...)
	sent := names(`reservation\.send\(\s*"(\w+)"`, readAll(t, "../scripts/tfos/*.py"))
	slices.Sort(obeyed)
	if !slices.Equal(documented, obeyed) || !slices.Equal(documented, sent) {
		t.Errorf("protocols.md has %q, Go obeys %q, the driver sends %q", documented, obeyed, sent)
	}
}

// TestEventsOfProtocols holds the events of tfos-node reserve in section 3
// against Go's types. A test of internal/record holds section 2.
func TestEventsOfProtocols(t *testing.T) {
	event := `EventName\(\) string +\{ return "(\w+)" \}`
	own := names(event, read(t, "../internal/reserve/event.go"))
	known := append(names(event, read(t, "../internal/record/event.go")), own...)
	text := section(t, "protocols.md", "### Standard output")
	first, _, _ := strings.Cut(text, "\n\n")
	documented := append(names(`"event":"(\w+)"`, text), names("`(\\w+)`", first)...)
	for _, name := range own {
		if !slices.Contains(documented, name) {
			t.Errorf("event %s is not in section 3", name)
		}
	}
	for _, name := range documented {
		if !slices.Contains(known, name) {
			t.Errorf("section 3 has event %s, which no part writes", name)
		}
	}
}

// TestExitCodesOfTheDriver: the codes that architecture.md says the Python driver
// gives are those of exits.py that its modules use.
func TestExitCodesOfTheDriver(t *testing.T) {
	constants := pairs(`(?m)^([A-Z_]+) = (\d+)`, read(t, "../scripts/tfos/exits.py"))
	var used []string
	for _, module := range []string{"driver", "executors", "inputs", "members", "partitions", "paths", "pipe", "predictions", "reservation", "start"} {
		for _, name := range names(`exits\.([A-Z_]+)\b`, read(t, "../scripts/tfos/"+module+".py")) {
			used = append(used, constants[name])
		}
	}
	_, item, found := strings.Cut(read(t, "architecture.md"), "- **The Go half of the driver decides.**")
	item, _, _ = strings.Cut(item, "\n- **")
	documented := names(`code (\d)`, item)
	slices.Sort(used)
	if used = slices.Compact(used); !found || !slices.Equal(used, documented) {
		t.Errorf("the driver's modules use codes %q, architecture.md has %q", used, documented)
	}
}

// pairs are the two groups of each match: the first leads to the second.
func pairs(pattern, text string) map[string]string {
	out := map[string]string{}
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		out[m[1]] = m[2]
	}
	return out
}

// names are the first groups of the matches, sorted, each once.
func names(pattern, text string) []string {
	found := map[string]bool{}
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found[m[1]] = true
	}
	return slices.Sorted(maps.Keys(found))
}

// section is what a page has below a heading that begins so, up to the next
// heading of its level or above.
func section(t *testing.T, page, title string) string {
	t.Helper()
	_, text, found := strings.Cut(read(t, page), "\n"+title)
	if !found {
		t.Fatalf("%s: no heading %q", page, title)
	}
	level := strings.IndexByte(title, ' ')
	if end := regexp.MustCompile(`\n#{1,` + string(rune('0'+level)) + `} `).FindStringIndex(text); end != nil {
		text = text[:end[0]]
	}
	return text
}

// body is the text of a function or method of a Go file.
func body(t *testing.T, path, name string) string {
	t.Helper()
	text := read(t, path)
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, text, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == name {
			return text[set.Position(f.Pos()).Offset:set.Position(f.End()).Offset]
		}
	}
	t.Fatalf("%s: no function %s", path, name)
	return ""
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// readAll is the text of all files that a pattern matches.
func readAll(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatal("no file ", pattern, err)
	}
	var all strings.Builder
	for _, path := range files {
		all.WriteString(read(t, path))
	}
	return all.String()
}
