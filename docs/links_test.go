package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	fence   = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	// notInAnchor is what GitHub leaves out of a heading's anchor.
	notInAnchor = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// TestLinks follows every link of the README and of docs/*.md to a file, and to
// the heading in it.
func TestLinks(t *testing.T) {
	pages, err := filepath.Glob("*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal("no documents", err)
	}
	for _, page := range append(pages, "../README.md") {
		for _, found := range link.FindAllStringSubmatch(withoutCode(t, page), -1) {
			path, anchor, hasAnchor := strings.Cut(found[1], "#")
			if strings.Contains(path, "://") {
				continue
			}
			target := page
			if path != "" {
				target = filepath.Join(filepath.Dir(page), path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: link %s: %v", page, found[1], err)
			} else if hasAnchor && !anchors(t, target)[anchor] {
				t.Errorf("%s: link %s: no such heading", page, found[1])
			}
		}
	}
}

// anchors are GitHub's names for the headings of a document.
func anchors(t *testing.T, page string) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, found := range heading.FindAllStringSubmatch(withoutCode(t, page), -1) {
		name := notInAnchor.ReplaceAllString(strings.ToLower(found[1]), "")
		out[strings.ReplaceAll(name, " ", "-")] = true
	}
	return out
}

// withoutCode is a document without its blocks of code.
func withoutCode(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return fence.ReplaceAllString(string(text), "")
}
