package job

import (
	"archive/zip"
	"bufio"
	"cmp"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"tfos/internal/shellglob"
)

// besideNames bounds the names that Beside lists.
const besideNames = 500

// Beside lists the names in the folder of a Python program that are not shipped,
// bundle being what Bundle returned: an error of the program may be about one of
// them. Hidden names are left out, and of very many the last ones.
func Beside(s *Spec, bundle []Copy) []string {
	if s.App.Python == nil || s.kind != Train {
		return nil
	}
	there := s.shippedNames(bundle)
	entries, err := os.ReadDir(s.programFolder())
	if err != nil { // Check tells
		return nil
	}
	var out []string
	for _, e := range entries {
		name := e.Name()
		if !there[name] && !strings.HasPrefix(name, ".") && !slices.Contains(notShipped, name) && len(out) < besideNames {
			out = append(out, name)
		}
	}
	return out
}

// shippedNames are the names that will lie in the program's folder, and the
// packages in its archives.
func (s *Spec) shippedNames(bundle []Copy) map[string]bool {
	names := map[string]bool{}
	for _, c := range bundle {
		top, _, _ := strings.Cut(c.To, "/")
		names[top] = true
	}
	for _, c := range s.copies("") {
		names[filepath.Base(c.To)] = true
		archive, err := zip.OpenReader(c.From)
		if err != nil {
			continue
		}
		for _, f := range archive.File {
			top, _, _ := strings.Cut(f.Name, "/")
			names[top] = true
		}
		_ = archive.Close()
	}
	return names
}

// imported matches a line that imports a module by its whole name.
var imported = regexp.MustCompile(`^\s*(?:from\s+([A-Za-z_]\w*)[\w.]*\s+import\b|import\s+([A-Za-z_][\w., ]*))`)

// NotShipped warns of modules that a Python program imports, that lie beside it,
// and that are not shipped. It looks for lines with import, in the program and
// in what is shipped with it. beside: see Beside.
func NotShipped(s *Spec, bundle []Copy, beside []string) []Fault {
	r := &rules{s: s}
	if len(beside) == 0 {
		return nil
	}
	sources := slices.Concat(s.copies(""), bundle)
	missing := map[string]string{} // name beside the program -> file that imports it
	for _, c := range sources {
		if filepath.Ext(c.From) != ".py" {
			continue
		}
		for _, module := range importsOf(c.From) {
			for _, name := range []string{module, module + ".py"} {
				if slices.Contains(beside, name) {
					missing[name] = cmp.Or(missing[name], filepath.Base(c.From))
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		path := filepath.Join(s.programFolder(), name)
		if info, err := os.Stat(path); err != nil || info.IsDir() && !hasModules(path) {
			continue
		}
		r.broken("app.python.files", "", "%s imports %s, which lies beside the program and is not shipped: add it to app.python.files", missing[name], name)
	}
	for i := range r.faults {
		r.faults[i].Code = 0
	}
	return r.faults
}

func hasModules(folder string) bool {
	found, _ := shellglob.List(folder, "*.py", nil) // the pattern is a good one
	return len(found) > 0
}

// importsOf are the first names of the modules that a Python file imports.
func importsOf(file string) (modules []string) {
	f, err := os.Open(file)
	if err != nil { // Check tells
		return nil
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		m := imported.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		for _, name := range strings.Split(cmp.Or(m[1], m[2]), ",") {
			if words := strings.Fields(name); len(words) > 0 {
				top, _, _ := strings.Cut(words[0], ".")
				modules = append(modules, top)
			}
		}
	}
	return modules
}
