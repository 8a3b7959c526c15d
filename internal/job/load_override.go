package job

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Flag is a value that a command line gives to a key, as `--batch-size 32`
// gives batch_size.
type Flag struct {
	Name string // --batch-size, for messages
	Key  string // batch_size
	// Value is text, a whole number, a bool, a []string, a Mapping or a YAMLMapping.
	// Text is taken as it is; only a YAMLMapping's values are read as YAML.
	Value any
}

// YAMLMapping is names with values that are YAML, in their order.
type YAMLMapping [][2]string

// override is one change to the tree of a job file.
type override struct {
	key   string
	value *yaml.Node
}

// parseSet splits "a.b=c"; c is YAML. Nodes are marked as those of flag i.
func parseSet(text string, i int) (override, error) {
	key, value, ok := strings.Cut(text, "=")
	if !ok || key == "" || slices.Contains(strings.Split(key, "."), "") {
		return override{}, fmt.Errorf("must be key=value with a dotted key, such as batch_size=32")
	}
	node, err := parseYAML(value)
	if err != nil {
		return override{}, err
	}
	mark(node, i)
	return override{key: key, value: node}, nil
}

// parseYAML reads one value; no text is null.
func parseYAML(text string) (*yaml.Node, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		return nil, fmt.Errorf("the value must be YAML: %w", err)
	}
	if len(doc.Content) == 1 {
		return doc.Content[0], nil
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}, nil
}

// parseFlag makes the tree of a flag's value.
func parseFlag(f Flag, i int) (override, error) {
	node := &yaml.Node{}
	switch v := f.Value.(type) {
	case string:
		// Encoding chooses the quotes; a tag of its own would not survive them.
		*node = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: v}
	case Mapping:
		node.Kind, node.Tag = yaml.MappingNode, "!!map"
		for _, kv := range v {
			node.Content = append(node.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: kv[0]},
				&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: kv[1]})
		}
	case YAMLMapping:
		node.Kind, node.Tag = yaml.MappingNode, "!!map"
		for _, kv := range v {
			value, err := parseYAML(kv[1])
			if err != nil {
				return override{}, fmt.Errorf("%s: %w", kv[0], err)
			}
			node.Content = append(node.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: kv[0]}, value)
		}
	default:
		if err := node.Encode(v); err != nil {
			return override{}, fmt.Errorf("cannot be a value of a job: %w", err)
		}
	}
	mark(node, i)
	return override{key: f.Key, value: node}, nil
}

// mark makes a tree's nodes come from flag i.
func mark(n *yaml.Node, i int) {
	n.Line = -(i + 1)
	for _, c := range n.Content {
		mark(c, i)
	}
}

// apply puts the value into the tree, making the mappings on the way. What is
// in the way and no mapping is replaced. A key that no job has is put there as
// well, for the decoder to find.
func (o override) apply(root *yaml.Node) {
	names := splitKey(o.key)
	at := root
	for _, name := range names[:len(names)-1] {
		next := child(at, name)
		for next.Kind == yaml.AliasNode {
			// A change through an alias would change the anchor's place too.
			*next = *copyTree(next.Alias)
		}
		if next.Kind != yaml.MappingNode {
			*next = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: o.value.Line}
		}
		at = next
	}
	*child(at, names[len(names)-1]) = *o.value
	for i := 0; i+1 < len(at.Content); i += 2 {
		if at.Content[i].Value == names[len(names)-1] {
			at.Content[i].Line = o.value.Line
		}
	}
}

// child is the value of a name in a mapping, made when it is not there.
func child(n *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	value := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: n.Line}
	n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name, Line: n.Line}, value)
	return value
}

func copyTree(n *yaml.Node) *yaml.Node {
	c := *n
	c.Content = make([]*yaml.Node, len(n.Content))
	for i := range n.Content {
		c.Content[i] = copyTree(n.Content[i])
	}
	return &c
}

// splitKey splits a dotted key. Where the Spec has a mapping of text, the rest
// is one name: spark.conf.spark.cores.max names "spark.cores.max" in spark.conf.
func splitKey(dotted string) []string {
	var names []string
	t := reflect.TypeFor[Spec]()
	for rest := dotted; ; {
		name, tail, more := strings.Cut(rest, ".")
		names = append(names, name)
		if !more {
			return names
		}
		rest = tail
		if t = typeUnder(t, name); t == nil {
			continue
		}
		if t.Kind() == reflect.Map || t == reflect.TypeFor[Mapping]() {
			return append(names, rest)
		}
	}
}

// typeUnder is the type of a key in a structure, nil when there is none.
func typeUnder(t reflect.Type, name string) reflect.Type {
	if t == nil || t.Kind() != reflect.Struct {
		return nil
	}
	for _, k := range keysOf(t) {
		if k.name != name {
			continue
		}
		if k.field.Type.Kind() == reflect.Pointer {
			return k.field.Type.Elem()
		}
		return k.field.Type
	}
	return nil
}
