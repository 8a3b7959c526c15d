// Package docs holds no code: its tests keep the documents true.
package docs

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRooms holds the import map of architecture.md against the source, both
// ways: no import that it does not allow, and no allowance that nobody uses. It
// parses the files instead of asking `go list`, which leaves out files whose
// build tags do not hold and whose answer the test cache does not watch.
func TestRooms(t *testing.T) {
	allowed := importMap(t)
	used := map[string]map[string]bool{} // imports by room
	for _, top := range []string{"cmd", "internal", "scripts"} {
		err := filepath.WalkDir(filepath.Join("..", top), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			checkFile(t, allowed, used, filepath.ToSlash(strings.TrimPrefix(path, ".."+string(filepath.Separator))))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for room, may := range allowed {
		for _, ours := range may {
			if !used[room][ours] {
				t.Errorf("architecture.md: %s may import %s, and does not", room, ours)
			}
		}
	}
}

func checkFile(t *testing.T, allowed map[string][]string, used map[string]map[string]bool, path string) {
	room := filepath.ToSlash(filepath.Dir(path))
	may, known := allowed[room]
	if !known {
		t.Errorf("%s: room %s is not in the import map of architecture.md", path, room)
		return
	}
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", path), nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	if used[room] == nil {
		used[room] = map[string]bool{}
	}
	for _, spec := range file.Imports {
		name := strings.Trim(spec.Path.Value, `"`)
		used[room][strings.TrimPrefix(name, "tfos/")] = true
		if ours, found := strings.CutPrefix(name, "tfos/"); found && !slices.Contains(may, ours) {
			t.Errorf("%s: imports %s, which %s may not", path, ours, room)
		}
		if name == "C" && room != "internal/engine" {
			t.Errorf("%s: cgo outside internal/engine", path)
		}
		if name == "github.com/wamuir/graft/tensorflow" { // its protos are in packages below
			t.Errorf("%s: graft's runtime, which leaves tensors to finalizers: internal/engine has its own", path)
		}
	}
}

// importMap reads the rows `room` | … | `import` `import` of the table under
// the heading "Import map".
func importMap(t *testing.T) map[string][]string {
	text, err := os.ReadFile("architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "## Import map")
	if !found {
		t.Fatal("architecture.md: no section Import map")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	rooms := map[string][]string{}
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || !strings.Contains(cells[1], "`") {
			continue
		}
		var may []string
		for _, word := range strings.Fields(cells[len(cells)-2]) {
			may = append(may, strings.Trim(word, "`,"))
		}
		rooms[strings.Trim(cells[1], " `")] = may
	}
	return rooms
}
