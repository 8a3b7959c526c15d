package job

import (
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// FromFlags makes a Spec with no job file. Relative paths are relative to dir,
// which is absolute; sets come after flags. The error is a Faults.
func FromFlags(kind Kind, dir string, flags []Flag, sets []string) (*Spec, error) {
	s, faults := parse(nil, "", kind, flags, sets)
	return finish(s, faults, dir)
}

// finish brings what parse made through the other stages. A Spec that did not
// decode is validated too, so that all faults come at once; only those of keys
// with a fault already, and of what is under them, are left out.
func finish(s *Spec, faults Faults, dir string) (*Spec, error) {
	if s == nil {
		return nil, faults.err()
	}
	s.canonicalize(dir)
	known := len(faults)
	for _, f := range append(s.validate(), s.unsupported()...) {
		if !covered(f.Path, faults[:known]) {
			faults = append(faults, f)
		}
	}
	if err := faults.err(); err != nil {
		return nil, err
	}
	return s, nil
}

// covered tells whether a key or one of its parents has a fault.
func covered(path string, faults Faults) bool {
	for _, f := range faults {
		if f.Path != "" && (path == f.Path || strings.HasPrefix(path, f.Path+".")) {
			return true
		}
	}
	return false
}

// parse decodes a job file and its overrides. The Spec is nil when the text is
// no YAML.
func parse(data []byte, file string, kind Kind, flags []Flag, sets []string) (*Spec, Faults) {
	s := &Spec{kind: kind, source: source{file: file, lines: map[string]int{}}}
	root, faults := s.source.tree(data)
	if faults != nil {
		return nil, faults
	}
	var changes []override
	note := func(o override, err error) {
		if err != nil {
			faults = append(faults, s.source.faultAt(-len(s.source.flags), "", "", err.Error()))
			return
		}
		changes = append(changes, o)
	}
	for _, f := range flags {
		s.source.flags = append(s.source.flags, f.Name)
		note(parseFlag(f, len(s.source.flags)-1))
	}
	for _, text := range sets {
		shown := text
		if name, _, ok := strings.Cut(text, "="); ok && secret(name) {
			shown = name + "=" + masked
		}
		s.source.flags = append(s.source.flags, "--set "+shown)
		note(parseSet(text, len(s.source.flags)-1))
	}
	for _, o := range changes {
		o.apply(root)
	}
	dec := &decoder{source: &s.source, kind: kind, faults: faults}
	dec.structure(root, s, "")
	return s, dec.faults
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line ([0-9]+): )?(?s:(.*))$`)

// tree parses YAML text: one document, a mapping or nothing.
func (s *source) tree(data []byte) (*yaml.Node, Faults) {
	empty := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: 1}
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	var doc, second yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return empty, nil
	case err != nil:
		return nil, Faults{s.syntax(err)}
	}
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, Faults{s.faultAt(max(1, second.Line), "", "", "must be one YAML document")}
	}
	root := doc.Content[0]
	if isNull(root) {
		return empty, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, Faults{s.faultAt(root.Line, "", "", "must be a mapping of keys to values")}
	}
	return root, nil
}

// syntax takes the line out of the YAML package's message, for display only.
func (s *source) syntax(err error) Fault {
	line, rule := 1, err.Error()
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		if n, convErr := strconv.Atoi(m[1]); convErr == nil {
			line = n
		}
		rule = m[2]
	}
	return s.faultAt(line, "", "", "is no YAML: "+rule)
}
