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

// nullFolder is the value of a folder's name that stands for null.
const nullFolder = "__HIVE_DEFAULT_PARTITION__"

// basePathOption is Spark's option: columns are looked for in the names of the
// folders below this one, instead of those below the path.
const basePathOption = "basePath"

// folders are the columns in the names of folders, day=2024-01-02/…, as Spark
// has them: below the path that was given, from the files upwards.
type folders struct {
	fields []arrow.Field // in the folders' order
	zone   *time.Location
}

// at is which of the columns has this name, -1 for none. As for Spark, case does
// not matter.
func (f folders) at(name string) int {
	return slices.IndexFunc(f.fields, func(have arrow.Field) bool { return strings.EqualFold(have.Name, name) })
}

func (f folders) names() (list []string) {
	for _, field := range f.fields {
		list = append(list, field.Name)
	}
	return list
}

// findFolders finds the columns in the names of the folders of files, which were
// listed from roots; base is basePathOption's value, "" for none.
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
			bases[path.Dir(root.Path)] = true
		}
	}
	found := map[string]placement{} // by folder
	var order []string
	for _, file := range files {
		dir := path.Dir(file.Path)
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
	return agreed(order, found, rules)
}

// cleanFolder is a folder's path as listed ones are.
func cleanFolder(p string) string {
	if rest, ok := strings.CutPrefix(p, "file:/"); ok {
		p = "/" + strings.TrimLeft(rest, "/")
	}
	if trimmed := strings.TrimRight(p, "/"); trimmed != "" {
		return trimmed
	}
	return p
}

// placement is what the name of a file's folder, and those above it, say.
type placement struct {
	file   string
	base   string // the folder above those of the columns
	names  []string
	values []string // as they stand there
}

// readFolders reads the names from dir upwards: columns follow each other, and other
// folders may be below them.
func readFolders(dir string, bases map[string]bool) (placement, error) {
	p := placement{base: dir}
	for at := dir; ; at = path.Dir(at) {
		name, value, ok := strings.Cut(path.Base(at), "=")
		if bases[at] || at == path.Dir(at) || !ok && len(p.names) > 0 {
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

const separate = "read them apart, or say option " + basePathOption

// agreed are the columns that all folders have, with types for all their values.
func agreed(order []string, found map[string]placement, rules FolderRules) (folders, error) {
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
				first.file, strings.Join(first.names, ", "), p.file, strings.Join(p.names, ", "), separate)
		case !strings.EqualFold(p.base, first.base):
			return folders{}, fmt.Errorf("files: folders of columns are in %s and in %s: %s", first.base, p.base, separate)
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

// values are those of the columns for a file, as they stand in its folders.
func (f folders) values(file string) ([]string, error) {
	values := make([]string, 0, len(f.fields))
	for at := path.Dir(file); len(values) < len(f.fields) && at != path.Dir(at); at = path.Dir(at) {
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

// over is the schema of rows: the files' columns, and behind them those of the
// folders. A column that both have is the folders', in the place of the file's.
func (f folders) over(files *arrow.Schema) *arrow.Schema {
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

// declare takes the types of a declared schema, and returns what it declares of
// the files themselves.
func (f *folders) declare(schema *arrow.Schema) *arrow.Schema {
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
