package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestOnlyMainTouchesTheProcess: os.Exit, os.Args and os.Std* are main.go's.
func TestOnlyMainTouchesTheProcess(t *testing.T) {
	eachUse(t, "../cmd ../internal ../scripts", func(path, use string) {
		process := strings.HasPrefix(use, "os.Std") || slices.Contains([]string{"os.Exit", "os.Args"}, use)
		if process && filepath.Base(path) != "main.go" {
			t.Errorf("%s uses %s", path, use)
		}
	})
}

// TestFeedNeverListens: internal/feed is given its connections, and starts no
// process. Files are the cache's and the shared memory's.
func TestFeedNeverListens(t *testing.T) {
	files := []string{"cache.go", "memory.go", "mapping.go", "handover.go", "kernel.go"} // handover.go: passed descriptors
	eachUse(t, "../internal/feed", func(path, use string) {
		if filepath.Dir(path) != filepath.FromSlash("../internal/feed") {
			return // rooms below it
		}
		name := filepath.Base(path)
		switch {
		case strings.HasPrefix(use, "net.Listen"), strings.HasPrefix(use, "exec."), use == "os.StartProcess":
			t.Errorf("%s uses %s", name, use)
		case strings.HasPrefix(use, "net.Dial") && name != "child.go" && name != "handover.go": // both dial their own member or engine
			t.Errorf("%s uses %s", name, use)
		case slices.Contains(opens, use) && !slices.Contains(files, name):
			t.Errorf("%s uses %s", name, use)
		}
	})
}

// opens are functions that open, make or remove files.
var opens = []string{
	"os.Create", "os.CreateTemp", "os.Mkdir", "os.MkdirAll", "os.NewFile", "os.Open", "os.OpenFile", "os.ReadDir",
	"os.ReadFile", "os.Remove", "os.RemoveAll", "os.Rename", "os.WriteFile", "unix.MemfdCreate", "unix.Open",
}

// eachUse calls visit with each use of a package's member (os.Exit) in the Go
// files below some folders, tests left out. A package has the last part of its
// path as its name there, whatever the file calls it.
func eachUse(t *testing.T, folders string, visit func(path, use string)) {
	t.Helper()
	for folder := range strings.FieldsSeq(folders) {
		err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			packages := map[string]string{}
			for _, spec := range file.Imports {
				name, _ := strconv.Unquote(spec.Path.Value)
				name = name[strings.LastIndexByte(name, '/')+1:]
				packages[name] = name
				if spec.Name != nil {
					packages[spec.Name.Name] = name
				}
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := s.X.(*ast.Ident); ok && packages[x.Name] != "" {
						visit(path, packages[x.Name]+"."+s.Sel.Name)
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
