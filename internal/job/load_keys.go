package job

import (
	"reflect"
	"slices"
	"strings"
)

// key is one field of a Spec structure as the job file knows it.
type key struct {
	name  string
	field reflect.StructField
	index []int
}

// keysOf lists the keys of a structure in their order, those of inlined
// structures in place.
func keysOf(t reflect.Type) []key {
	var keys []key
	for i := range t.NumField() {
		f := t.Field(i)
		name, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if option == "inline" {
			for _, k := range keysOf(f.Type) {
				k.index = append([]int{i}, k.index...)
				keys = append(keys, k)
			}
			continue
		}
		if f.IsExported() && name != "" {
			keys = append(keys, key{name: name, field: f, index: []int{i}})
		}
	}
	return keys
}

// kinds are the kinds of job that have the key; nil: those of its parent.
func (k key) kinds() []string {
	if tag := k.field.Tag.Get("kinds"); tag != "" {
		return strings.Split(tag, ",")
	}
	return nil
}

// belongs tells whether jobs of a kind have the key.
func (k key) belongs(kind Kind) bool {
	kinds := k.kinds()
	return kinds == nil || slices.Contains(kinds, string(kind))
}

// nearest is the name in names that is closest to a mistyped one, "" when none
// is close.
func nearest(typed string, names []string) string {
	best, distance := "", 1+max(1, len(typed)/3)
	for _, name := range names {
		if d := editDistance(strings.ToLower(typed), name); d < distance {
			best, distance = name, d
		}
	}
	return best
}

// editDistance counts insertions, deletions, substitutions and swaps of
// neighbours (optimal string alignment) that turn a into b.
func editDistance(a, b string) int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}
