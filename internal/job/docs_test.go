package job

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	reference = "../../docs/job-file.md"
	keysBegin = "<!-- keys: written by go test ./internal/job -run TestReference -update -->\n"
	keysEnd   = "<!-- end of keys -->\n"
)

// fieldTexts reads the comments of the structures' fields: "Spec.Name" -> text.
func fieldTexts(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, file := range []string{"load_spec.go", "load_values.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if structure, ok := spec.Type.(*ast.StructType); ok {
				for _, f := range structure.Fields.List {
					for _, name := range f.Names {
						texts[spec.Name.Name+"."+name.Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
					}
				}
			}
			return false
		})
	}
	return texts
}

// row is a key of the reference.
type row struct{ key, form, value, kinds, text string }

// rows lists every key of a structure and of those in it.
func rows(t *testing.T, typ reflect.Type, texts map[string]string, path, kinds string, seen map[reflect.Type]string) []row {
	var out []row
	for _, k := range keysOf(typ) {
		own := strings.ReplaceAll(k.field.Tag.Get("kinds"), ",", ", ")
		if own == "" {
			own = kinds
		}
		owner := typ
		if len(k.index) > 1 { // an inlined structure
			owner = typ.Field(k.index[0]).Type
		}
		r := row{key: join(path, k.name), kinds: own, text: texts[owner.Name()+"."+k.field.Name], value: k.field.Tag.Get("default")}
		if r.text == "" {
			t.Errorf("%s.%s has no comment", owner.Name(), k.field.Name)
		}
		inner := k.field.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		r.form = form(inner)
		if first, again := seen[inner]; again && r.form == "mapping" {
			r.text += fmt.Sprintf("; keys as in `%s`", first)
			out = append(out, r)
			continue
		}
		out = append(out, r)
		if r.form == "mapping" && inner.Kind() == reflect.Struct {
			seen[inner] = r.key
			if inner == reflect.TypeFor[Input]() {
				seen[reflect.TypeFor[Source]()] = r.key
			}
			out = append(out, rows(t, inner, texts, r.key, own, seen)...)
		}
	}
	return out
}

// form names a type as the reader of a job file knows it.
func form(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[Duration]():
		return "time"
	case reflect.TypeFor[Memory]():
		return "size"
	case reflect.TypeFor[Percent]():
		return "share"
	case reflect.TypeFor[Tags]():
		return "list"
	case reflect.TypeFor[Args](), reflect.TypeFor[Signatures]():
		return "mapping or list"
	case reflect.TypeFor[Mapping]():
		return "mapping"
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "mapping"
	case reflect.Slice:
		return "list"
	case reflect.Bool:
		return "true, false"
	case reflect.String:
		return "text"
	}
	return "number"
}

func keyTable(t *testing.T) string {
	var out strings.Builder
	out.WriteString("| key | form | default | jobs | what |\n|---|---|---|---|---|\n")
	for _, r := range rows(t, reflect.TypeFor[Spec](), fieldTexts(t), "", "train, infer, export", map[reflect.Type]string{}) {
		value := ""
		if r.value != "" {
			value = "`" + r.value + "`"
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s | %s |\n", r.key, r.form, value, r.kinds, strings.ReplaceAll(r.text, "|", `\|`))
	}
	return out.String()
}

// The reference has every key, its default and its text: the table in it is
// that of the structures.
func TestReference(t *testing.T) {
	data, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := strings.Cut(string(data), keysBegin)
	_, tail, ok2 := strings.Cut(rest, keysEnd)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no key table between %q and %q", reference, keysBegin, keysEnd)
	}
	want := head + keysBegin + keyTable(t) + keysEnd + tail
	if *update {
		if err := os.WriteFile(reference, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(data) != want {
		t.Errorf("%s is not in step (go test ./internal/job -run TestReference -update):\n%s", reference, firstDifference(want, string(data)))
	}
}

// Every example of the reference, and of graph programs, is a job without faults of
// the kind before it.
func TestReferenceExamples(t *testing.T) {
	for file, least := range map[string]int{reference: 3, "../../docs/graph-programs.md": 1} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		examples := regexp.MustCompile("(?s)<!-- (train|infer|export) -->\n```yaml\n(.*?)```").FindAllSubmatch(data, -1)
		if all := bytes.Count(data, []byte("```yaml\n")); len(examples) != all || all < least {
			t.Errorf("%s: %d of %d examples say their kind", file, len(examples), all)
		}
		for _, e := range examples {
			spec(t, Kind(e[1]), string(e[2]))
		}
	}
}

// What the reference says about single rules is what the rules do.
func TestReferenceNames(t *testing.T) {
	data, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	section := func(title string) string {
		_, rest, ok := strings.Cut(string(data), "\n## "+title+"\n")
		if !ok {
			t.Fatalf("no section %q", title)
		}
		body, _, _ := strings.Cut(rest, "\n## ")
		return body
	}
	unsupported := section("Not supported yet")
	for _, c := range unsupportedCases {
		if name := strings.Replace(c.path, ".worker.", ".*.", 1); !strings.Contains(unsupported, "`"+name+"`") {
			t.Errorf("`%s` is not in the list of what is not supported yet", name)
		}
	}
	settings := section("Spark settings")
	p, err := MakePlan(spec(t, Train, trainBase, "model_dir=/m", "spark={master: yarn, deploy_mode: cluster}"), testEnvironment)
	if err != nil {
		t.Fatal(err)
	}
	names := slices.Clone(owned)
	for name := range p.Submission.Conf {
		names = append(names, name)
	}
	if p, err = MakePlan(spec(t, Train, trainBase), testEnvironment); err != nil {
		t.Fatal(err)
	}
	for name := range p.Submission.Conf {
		names = append(names, name)
	}
	for _, name := range names {
		if !strings.Contains(settings, "`"+name+"`") {
			t.Errorf("`%s` is not among the Spark settings", name)
		}
	}
	arguments := section("What a Python program gets")
	for name := range spec(t, Train, trainBase, "input_mode=tensorflow").parameters("x") {
		if !strings.Contains(arguments, "`"+name+"`") {
			t.Errorf("`%s` is not among the arguments", name)
		}
	}
}
