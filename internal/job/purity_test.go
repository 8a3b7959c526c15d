package job

import (
	"bytes"
	"cmp"
	"encoding/json"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// touches lists what looks at the machine, of the packages that tfos does not
// write: the whole package ("*"), or functions and variables of it.
var touches = map[string][]string{
	"archive/zip":            {"OpenReader"},
	"context":                {"WithDeadline", "WithDeadlineCause", "WithTimeout", "WithTimeoutCause"},
	"crypto/rand":            {"*"},
	"fmt":                    {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
	"golang.org/x/sys/unix":  {"*"},
	"google.golang.org/grpc": {"*"},
	"io/fs":                  {"*"},
	"io/ioutil":              {"*"},
	"log":                    {"*"},
	"log/slog":               {"*"},
	"math/rand":              {"*"},
	"math/rand/v2":           {"*"},
	"net":                    {"*"},
	"net/http":               {"*"},
	"os":                     {"*"},
	"os/exec":                {"*"},
	"os/signal":              {"*"},
	"os/user":                {"*"},
	"path/filepath":          {"Abs", "EvalSymlinks", "Glob", "Walk", "WalkDir"},
	"runtime":                {"GOMAXPROCS", "NumCPU"},
	"syscall":                {"*"},
	"time": {"After", "AfterFunc", "LoadLocation", "NewTicker", "NewTimer", "Now", "Since", "Sleep",
		"Tick", "Until"},
}

// harmless are functions and variables of the packages above that touch nothing.
var harmless = []string{
	"os.IsExist", "os.IsNotExist", "os.ErrExist", "os.ErrNotExist", "io/fs.ErrExist", "io/fs.ErrInvalid", "io/fs.ErrNotExist",
}

// calls is who uses which function or package-level variable, in the packages of
// tfos that this one needs.
type calls struct {
	fset  *token.FileSet
	uses  map[types.Object][]types.Object
	named []*types.Named // every type that could be behind an interface
}

// touching is the chain from an object to what it touches; nil: it is pure. A call
// of a method of one of tfos's interfaces may reach every type that has it.
func (c *calls) touching(o types.Object, seen map[types.Object]bool) []string {
	if seen[o] {
		return nil
	}
	seen[o] = true
	if pkg := o.Pkg(); pkg == nil || !isTfos(pkg.Path()) {
		if pkg != nil && touchesMachine(o) {
			return []string{objectName(o)}
		}
		return nil
	}
	next := c.uses[o]
	if f, ok := o.(*types.Func); ok {
		next = append(slices.Clone(next), c.implementations(f)...)
	}
	for _, n := range next {
		if chain := c.touching(n, seen); chain != nil {
			return append([]string{objectName(o)}, chain...)
		}
	}
	return nil
}

func isTfos(path string) bool { return strings.HasPrefix(path, "tfos/") }

func touchesMachine(o types.Object) bool {
	name := o.Pkg().Path() + "." + o.Name()
	list := touches[o.Pkg().Path()]
	if f, ok := o.(*types.Func); ok && f.Signature().Recv() != nil && !slices.Contains(list, "*") {
		return false // time.Time.After
	}
	return (slices.Contains(list, "*") || slices.Contains(list, o.Name())) && !slices.Contains(harmless, name)
}

func objectName(o types.Object) string {
	if f, ok := o.(*types.Func); ok {
		return f.FullName()
	}
	return o.Pkg().Path() + "." + o.Name()
}

// implementations are the methods that a call of an interface's method may mean.
func (c *calls) implementations(f *types.Func) []types.Object {
	recv := f.Signature().Recv()
	if recv == nil {
		return nil
	}
	face, ok := recv.Type().Underlying().(*types.Interface)
	if !ok {
		return nil
	}
	var out []types.Object
	for _, n := range c.named {
		if pointer := types.NewPointer(n); types.Implements(pointer, face) {
			method, _, _ := types.LookupFieldOrMethod(pointer, true, f.Pkg(), f.Name())
			out = append(out, method)
		}
	}
	return out
}

// add notes what a package's functions and variables use.
func (c *calls) add(files []*ast.File, info *types.Info) {
	for _, file := range files {
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				c.note(info.Defs[d.Name], d, info)
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if v, ok := spec.(*ast.ValueSpec); ok {
						for _, name := range v.Names {
							c.note(info.Defs[name], v, info)
						}
					}
				}
			}
		}
	}
}

func (c *calls) note(o types.Object, n ast.Node, info *types.Info) {
	ast.Inspect(n, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		if !ok {
			return true
		}
		switch used := info.Uses[id].(type) {
		case *types.Func:
			c.uses[o] = append(c.uses[o], used.Origin())
		case *types.Var:
			if used.Pkg() != nil && used.Parent() == used.Pkg().Scope() {
				c.uses[o] = append(c.uses[o], used)
			}
		}
		return true
	})
}

// listed is a package as `go list` tells it.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
}

// checker checks the types of tfos's packages, whose sources it reads; others
// come from the build cache.
type checker struct {
	calls
	exports map[string]string
	sources map[string]*types.Package
	other   types.Importer
}

func (k *checker) Import(path string) (*types.Package, error) {
	if p := k.sources[path]; p != nil {
		return p, nil
	}
	return k.other.Import(path)
}

func (k *checker) check(t *testing.T, p listed) *types.Info {
	t.Helper()
	var files []*ast.File
	for _, name := range p.GoFiles {
		file, err := parser.ParseFile(k.fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	info := &types.Info{Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}}
	pkg, err := (&types.Config{Importer: k}).Check(p.ImportPath, k.fset, files, info)
	if err != nil {
		t.Fatal(err)
	}
	k.sources[p.ImportPath] = pkg
	for _, name := range pkg.Scope().Names() {
		if tn, ok := pkg.Scope().Lookup(name).(*types.TypeName); ok && !tn.IsAlias() {
			if n, ok := tn.Type().(*types.Named); ok && n.TypeParams() == nil && !types.IsInterface(n) {
				k.named = append(k.named, n)
			}
		}
	}
	k.add(files, info)
	return info
}

// loadSources reads this package and what it needs of tfos, dependencies first.
func loadSources(t *testing.T) (*checker, *types.Info) {
	t.Helper()
	out, err := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles", ".").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	k := &checker{exports: map[string]string{}, sources: map[string]*types.Package{}}
	k.fset, k.uses = token.NewFileSet(), map[types.Object][]types.Object{}
	k.other = importer.ForCompiler(k.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(k.exports[path]) })
	var info *types.Info
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var p listed
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		k.exports[p.ImportPath] = p.Export
		if isTfos(p.ImportPath) {
			info = k.check(t, p) // the last one is this package
		}
	}
	return k, info
}

// looking are the files that look at the machine: the job file's reader, and the checks.
func looking(file string) bool {
	return file == "load_read.go" || file == "check.go" || strings.HasPrefix(file, "check_")
}

// The groups load and plan are pure, by whatever helper and room: none of their
// functions reaches one that looks at files, the environment, the clock or the
// network. The functions that are there to look are seen to.
func TestPurity(t *testing.T) {
	k, info := loadSources(t)
	impure := map[string]bool{}
	pure := 0
	defs := make([]types.Object, 0, len(info.Defs))
	for _, o := range info.Defs {
		if o != nil {
			defs = append(defs, o)
		}
	}
	slices.SortFunc(defs, func(a, b types.Object) int { return cmp.Compare(a.Pos(), b.Pos()) })
	for _, o := range defs {
		if _, isFunc := o.(*types.Func); !isFunc && o.Parent() != o.Pkg().Scope() {
			continue
		}
		chain := k.touching(o, map[types.Object]bool{})
		file := filepath.Base(k.fset.Position(o.Pos()).Filename)
		switch {
		case looking(file):
			impure[o.Name()] = impure[o.Name()] || chain != nil
		case chain != nil:
			t.Errorf("%s: %s", file, strings.Join(chain, " -> "))
		default:
			pure++
		}
	}
	if pure < 100 {
		t.Errorf("only %d pure functions and variables were looked at", pure)
	}
	for _, name := range []string{
		"Beside", "Bundle", "Check", "Contract", "ExportNameWarnings", "KindOf", "Load", "ModelNote", "NotShipped", "Skipped", "TellFormats", "Unchanged",
	} {
		if !impure[name] {
			t.Errorf("%s is not seen to look at the machine", name)
		}
	}
}
