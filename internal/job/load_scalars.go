package job

import (
	"fmt"
	"math"
	"strings"

	"go.yaml.in/yaml/v3"
)

// text reads a scalar as it is written: `name: 12` is the text 12.
func (dec *decoder) text(n *yaml.Node, path string) (string, bool) {
	n, ok := dec.enter(n)
	if !ok {
		return "", false
	}
	if n.Kind != yaml.ScalarNode || isNull(n) {
		dec.fault(n, path, "must be text")
		return "", false
	}
	return n.Value, true
}

// texts reads a list of scalars.
func (dec *decoder) texts(n *yaml.Node, path string) []string {
	if n.Kind != yaml.SequenceNode {
		dec.fault(n, path, "must be a list")
		return nil
	}
	var out []string
	for i, item := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		dec.source.lines[at] = item.Line
		if text, ok := dec.text(item, at); ok {
			out = append(out, text)
		}
	}
	return out
}

// textMap reads a mapping of scalars.
func (dec *decoder) textMap(n *yaml.Node, path string) map[string]string {
	out := map[string]string{}
	for _, p := range dec.pairs(n, path) {
		if text, ok := dec.text(p.value, join(path, p.key.Value)); ok {
			out[p.key.Value] = text
		}
	}
	return out
}

// value reads anything that JSON can hold too. What YAML would make a date
// stays text.
func (dec *decoder) value(n *yaml.Node, path string) any {
	n, ok := dec.enter(n)
	if !ok {
		return nil
	}
	dec.depth++
	defer func() { dec.depth-- }()
	switch n.Kind {
	case yaml.MappingNode:
		out := map[string]any{}
		for _, p := range dec.pairs(n, path) {
			out[p.key.Value] = dec.value(p.value, join(path, p.key.Value))
		}
		return out
	case yaml.SequenceNode:
		out := make([]any, len(n.Content))
		for i, item := range n.Content {
			out[i] = dec.value(item, fmt.Sprintf("%s[%d]", path, i))
		}
		return out
	}
	return dec.scalar(n, path)
}

func (dec *decoder) scalar(n *yaml.Node, path string) any {
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		var b bool
		if n.Decode(&b) == nil {
			return b
		}
	case "!!int":
		var i int64
		if n.Decode(&i) != nil {
			dec.fault(n, path, "must fit into 64 bits")
		}
		return i
	case "!!float":
		var f float64
		// YAML makes whole numbers beyond 64 bits floats, which lose digits.
		if !strings.ContainsAny(n.Value, ".eE") {
			dec.fault(n, path, "must fit into 64 bits")
		} else if n.Decode(&f) != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			dec.fault(n, path, "must be a finite number: write it as text")
		}
		return f
	}
	return n.Value
}
