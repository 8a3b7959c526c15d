package docs

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestStatements: every test and every file of tests that statements.md, contributing.md
// and storage.md name exists. A statement has one test at least.
func TestStatements(t *testing.T) {
	for line := range strings.Lines(read(t, "statements.md")) {
		cells := strings.Split(line, "|")
		if len(cells) != 4 || strings.Contains(line, "---") || cells[1] == " statement " {
			continue
		}
		if len(goTest.FindAllString(cells[2], -1))+len(pythonTest.FindAllString(cells[2], -1)) == 0 {
			t.Errorf("statements.md: no test: %s", line)
		}
	}
	python := pythonFiles(t)
	for _, page := range []string{"statements.md", "contributing.md", "storage.md"} {
		text := read(t, page)
		for _, m := range goTest.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(readAll(t, "../"+m[1]+"/*_test.go"), "\nfunc "+m[2]+"(") {
				t.Errorf("%s: %s has no %s", page, m[1], m[2])
			}
		}
		for _, m := range pythonFile.FindAllStringSubmatch(text, -1) {
			if python[m[1]] == "" {
				t.Errorf("%s: no %s.py", page, m[1])
			}
		}
		for _, m := range pythonTest.FindAllStringSubmatch(text, -1) {
			if !regexp.MustCompile(`(?m)^ *def ` + m[2] + `\(`).MatchString(python[m[1]]) {
				t.Errorf("%s: %s.py has no %s", page, m[1], m[2])
			}
		}
	}
}

var (
	goTest     = regexp.MustCompile("`([a-z/0-9-]+): (Test\\w+)`")
	pythonTest = regexp.MustCompile("`(test_\\w+)::(test_\\w+)(?:\\[[^`]*)?`")
	pythonFile = regexp.MustCompile("`(test_\\w+)(?:\\[[^`]*)?`")
)

// pythonFiles are the texts of the files below scripts/tests by name.
func pythonFiles(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir("../scripts/tests", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".py" {
			files[strings.TrimSuffix(filepath.Base(path), ".py")] = read(t, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
