package filestest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/files"
)

// Sample is a file of the suite, and how it is read.
type Sample struct {
	Kit
	Path    string
	Options files.ReadOptions
}

// Samples writes files of each format into a folder: each column of the suite, a file that
// can be split in many places, files that are cut off, have a changed byte, or are empty.
func Samples(t *testing.T, dir string) (all []Sample) {
	t.Helper()
	for _, k := range kits {
		for i, c := range Columns() {
			if slices.Contains(k.refuses, c.Name) || slices.Contains(k.partial, c.Name) {
				continue
			}
			path := filepath.Join(dir, fmt.Sprintf("column-%02d%s", i, k.Ext))
			if err := k.tryWrite(path, files.WriteOptions{Options: k.options}, RowsOf(memory.DefaultAllocator, c, 0, 600)); err != nil {
				t.Fatal(err)
			}
			all = append(all, Sample{k, path, files.ReadOptions{Schema: RowsSchema(c), Options: k.options}})
		}
		all = append(all, k.samplesOfUnits(t, dir)...)
	}
	return all
}

// samplesOfUnits writes a file of many units, and damaged ones of its bytes.
func (k Kit) samplesOfUnits(t *testing.T, dir string) (all []Sample) {
	t.Helper()
	c := Column{"value", arrow.BinaryTypes.String, func(b array.Builder, i int) {
		b.(*array.StringBuilder).Append(strings.Repeat("ö", i%7))
	}}
	o := files.ReadOptions{Schema: RowsSchema(c), Options: k.options}
	good := filepath.Join(dir, "units"+k.Ext)
	k.manyUnits(t, good, c, 300)
	content, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	changed := slices.Clone(content)
	changed[len(changed)/2] ^= 0xFF
	all = append(all, Sample{k, good, o})
	for name, bytes := range map[string][]byte{"cut": content[:len(content)*2/3], "changed": changed, "empty": nil} {
		path := filepath.Join(dir, name+k.Ext)
		if err := os.WriteFile(path, bytes, 0o600); err != nil {
			t.Fatal(err)
		}
		all = append(all, Sample{k, path, o})
	}
	return all
}
