package job

import (
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"tfos/internal/files"
	"tfos/internal/store"
)

// canonicalize fills in defaults, the name and absolute paths. dir is the
// folder that relative paths start from.
func (s *Spec) canonicalize(dir string) {
	s.dir = dir
	if s.trainsGraph() && s.Checkpoint == nil {
		s.Checkpoint = &Checkpoint{}
	}
	s.complete(reflect.ValueOf(s).Elem(), "", dir)
	s.nameFormats()
	if s.Name == "" {
		base := filepath.Base(s.source.file)
		s.Name = strings.TrimSuffix(base, filepath.Ext(base))
		if s.source.file == "" {
			s.Name = string(s.kind)
		}
	}
	if s.kind == Infer && s.Resources.Worker.GPUs > 0 && !s.source.given("batch_size") {
		s.BatchSize = AutoBatch
	}
	if s.Strategy == "" && s.kind == Train {
		switch {
		case s.NumPS > 0:
			s.Strategy = parameterServer
		case s.ClusterSize == 1:
			s.Strategy = independent
		}
	}
	if s.trainsGraph() && s.App.Graph.EvalSignature == "" && s.Input.Validation != nil {
		s.App.Graph.EvalSignature = defaultEvalSignature
	}
}

// complete walks a structure: defaults for keys that were not given, paths.
func (s *Spec) complete(v reflect.Value, path, dir string) {
	for _, k := range keysOf(v.Type()) {
		if !k.belongs(s.kind) {
			continue
		}
		at, field := join(path, k.name), v.FieldByIndex(k.index)
		if text, ok := k.field.Tag.Lookup("default"); ok && !s.source.given(at) {
			setDefault(field, text)
		}
		if as := k.field.Tag.Get("as"); as != "" {
			absoluteField(field, dir, as)
		}
		if field.Kind() == reflect.Pointer && !field.IsNil() {
			field = field.Elem()
		}
		if field.Kind() == reflect.Struct {
			s.complete(field, at, dir)
		}
	}
}

// setDefault decodes the text of a default tag, which a test proves right.
func setDefault(field reflect.Value, text string) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		panic("job: default " + text + ": " + err.Error())
	}
	dec := &decoder{source: &source{lines: map[string]int{}}}
	dec.into(doc.Content[0], field, "default")
	if len(dec.faults) > 0 {
		panic("job: default: " + dec.faults.Error())
	}
}

func absoluteField(field reflect.Value, dir, as string) {
	switch {
	case field.Kind() == reflect.Slice:
		for i := range field.Len() {
			absoluteField(field.Index(i), dir, as)
		}
	case as == "path" || strings.Contains(field.String(), "/"):
		field.SetString(absolute(field.String(), dir))
	}
}

var urlScheme = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9+.-]+:/`)

// IsURL tells a URL from a path. file: URLs are paths once canonical.
func IsURL(path string) bool { return urlScheme.MatchString(path) }

// UsesStores tells whether any path of the job is a URL: the programs of its run then need
// the settings of stores.
func (s *Spec) UsesStores() bool {
	return slices.ContainsFunc(s.paths(), func(f jobFolder) bool { return IsURL(f.path) })
}

// absolute makes a path absolute and clean; URLs other than file: stay as they are.
func absolute(path, dir string) string {
	if path == "" {
		return ""
	}
	if rest, ok := strings.CutPrefix(path, "file:"); ok && strings.HasPrefix(rest, "/") {
		// file:/a, file:///a and file://localhost/a are the same file.
		rest = strings.TrimPrefix(rest, "//localhost")
		path = "/" + strings.TrimLeft(rest, "/")
	}
	if IsURL(path) {
		return store.Canonical(path)
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	return filepath.Clean(path)
}

// nameFormats gives sources without a format the one that their path names.
func (s *Spec) nameFormats() {
	for _, src := range s.sources() {
		if format, ok := files.FormatOf(src.Path); ok && s.untold(src) {
			src.Format = string(format)
		}
	}
}

// untold tells whether the job does not say a source's format.
func (s *Spec) untold(src namedSource) bool {
	return src.Path != "" && !s.source.given(join(src.path, "format"))
}
