package files

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/store"
)

// nullFolder is the folder value that stands for null.
const nullFolder = "__HIVE_DEFAULT_PARTITION__"

// basePathOption is Spark's option for the folder below which folder names hold
// columns. Without it that is the path itself.
const basePathOption = "basePath"

// folders are the partition columns in folder names (day=2024-01-02/…), by
// Spark's rules.
type folders struct {
	fields []arrow.Field // outermost folder first
	zone   *time.Location
}

// at returns the index of the column with this name, or -1. Letter case does
// not matter, as in Spark.
func (f folders) at(name string) int {
	return slices.IndexFunc(f.fields, func(have arrow.Field) bool { return strings.EqualFold(have.Name, name) })
}

func (f folders) names() (list []string) {
	for _, field := range f.fields {
		list = append(list, field.Name)
	}
	return list
}

// findFolders finds the columns in the folder names of files, which were listed
// from roots. base is the value of basePathOption, or "".
func findFolders(roots, files []store.Info, base string, rules FolderRules) (folders, error) {
	bases := map[string]bool{}
	for _, root := range roots {
		switch {
		case base != "":
			base = cleanFolder(base)
			if root.Path != base && !strings.HasPrefix(root.Path, strings.TrimSuffix(base, "/")+"/") {
				return folders{}, fmt.Errorf("files: option %s: %s is not below %s", basePathOption, root.Path, base)
			}
			bases[base] = true
		case root.Dir:
			bases[root.Path] = true
		default:
			bases[store.Dir(root.Path)] = true
		}
	}
	found := map[string]placement{} // by folder
	var order []string
	for _, file := range files {
		dir := store.Dir(file.Path)
		if _, ok := found[dir]; ok {
			continue
		}
		p, err := readFolders(dir, bases)
		if err != nil {
			return folders{}, fmt.Errorf("files: %s: %w", file.Path, err)
		}
		p.file = file.Path
		found[dir], order = p, append(order, dir)
	}
	return mergePlacements(order, found, rules)
}

// cleanFolder returns a folder's path in the form that listings use.
func cleanFolder(p string) string {
	if rest, ok := strings.CutPrefix(p, "file:/"); ok {
		p = "/" + strings.TrimLeft(rest, "/")
	}
	if trimmed := strings.TrimRight(p, "/"); trimmed != "" {
		return trimmed
	}
	return p
}

// placement is what the names of a file's folders say.
type placement struct {
	file   string
	base   string // the folder above the partition folders
	names  []string
	values []string // raw, still escaped
}

// readFolders reads the folder names from dir upwards. Partition folders are
// adjacent. Other folders may lie below them.
func readFolders(dir string, bases map[string]bool) (placement, error) {
	p := placement{base: dir}
	for at := dir; ; at = store.Dir(at) {
		name, value, ok := strings.Cut(path.Base(at), "=")
		if bases[at] || at == store.Dir(at) || !ok && len(p.names) > 0 {
			if len(p.names) > 0 {
				p.base = at
			}
			break
		}
		if !ok {
			continue
		}
		name = unescapeFolder(name)
		switch {
		case name == "" || value == "":
			return p, fmt.Errorf("folder %s has no name, or no value, of a column", path.Base(at))
		case slices.Contains(p.names, name):
			return p, fmt.Errorf("two of its folders are of column %s", name)
		}
		p.names, p.values = append(p.names, name), append(p.values, value)
	}
	slices.Reverse(p.names)
	slices.Reverse(p.values)
	return p, nil
}

const separateHint = "read them apart, or say option " + basePathOption

// mergePlacements returns the columns that all folders share, with types that
// hold all their values.
func mergePlacements(order []string, found map[string]placement, rules FolderRules) (folders, error) {
	i := slices.IndexFunc(order, func(dir string) bool { return len(found[dir].names) > 0 })
	if i < 0 {
		return folders{}, nil
	}
	first := found[order[i]]
	kinds := make([]folderKind, len(first.names))
	for _, dir := range order {
		p := found[dir]
		switch same := slices.EqualFunc(p.names, first.names, strings.EqualFold); {
		case len(p.names) == 0:
			return folders{}, fmt.Errorf("files: %s is in no folder of column %s, as %s is: move it, or read these files apart", p.file, first.names[0], first.file)
		case !same:
			return folders{}, fmt.Errorf("files: the folders of %s are of columns %s, those of %s of %s: %s",
				first.file, strings.Join(first.names, ", "), p.file, strings.Join(p.names, ", "), separateHint)
		case !strings.EqualFold(p.base, first.base):
			return folders{}, fmt.Errorf("files: folders of columns are in %s and in %s: %s", first.base, p.base, separateHint)
		}
		for i, value := range p.values {
			kinds[i] = kinds[i].wider(kindOf(value))
		}
	}
	f := folders{zone: time.Local}
	for i, name := range first.names {
		field := arrow.Field{Name: name, Type: kinds[i].dataType(), Nullable: true}
		if rules.Text {
			field.Type = arrow.BinaryTypes.String
		}
		f.fields = append(f.fields, field)
	}
	if rules.Zone == "" {
		return f, nil
	}
	var err error
	if f.zone, err = time.LoadLocation(rules.Zone); err != nil {
		return folders{}, fmt.Errorf("files: time zone %q of the folders' columns is not known: name a region, such as Europe/Berlin", rules.Zone)
	}
	return f, nil
}

// values returns the raw values of the columns for a file, from its folder
// names.
func (f folders) values(file string) ([]string, error) {
	values := make([]string, 0, len(f.fields))
	for at := store.Dir(file); len(values) < len(f.fields) && at != store.Dir(at); at = store.Dir(at) {
		name, value, ok := strings.Cut(path.Base(at), "=")
		if ok && strings.EqualFold(unescapeFolder(name), f.fields[len(f.fields)-1-len(values)].Name) {
			values = append(values, value)
		} else if len(values) > 0 {
			break
		}
	}
	if len(values) < len(f.fields) {
		return nil, &Error{Path: file, Offset: -1, Row: -1, Err: errors.New("it is in no folder of the columns " + strings.Join(f.names(), ", "))}
	}
	slices.Reverse(values)
	return values, nil
}

// mergeSchema returns the schema of the rows: the files' columns, then the
// folders' columns. If both have a column, the folder's replaces the file's in
// its place.
func (f folders) mergeSchema(files *arrow.Schema) *arrow.Schema {
	fields := slices.Clone(files.Fields())
	replaced := make([]bool, len(f.fields))
	for i, field := range fields {
		if at := f.at(field.Name); at >= 0 {
			fields[i], replaced[at] = f.fields[at], true
		}
	}
	for i, field := range f.fields {
		if !replaced[i] {
			fields = append(fields, field)
		}
	}
	return arrow.NewSchema(fields, nil)
}

// applyDeclared takes the types of folder columns from a declared schema. It
// returns the part of the schema that concerns the files, or nil.
func (f *folders) applyDeclared(schema *arrow.Schema) *arrow.Schema {
	if schema == nil || len(f.fields) == 0 {
		return schema
	}
	var rest []arrow.Field
	for _, field := range schema.Fields() {
		if at := f.at(field.Name); at >= 0 {
			f.fields[at] = field
		} else {
			rest = append(rest, field)
		}
	}
	if len(rest) == 0 {
		return nil
	}
	return arrow.NewSchema(rest, nil)
}
