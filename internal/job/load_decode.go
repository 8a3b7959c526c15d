package job

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Bounds on a job file: YAML aliases can make a small file a huge tree.
const (
	maxNodes = 100_000
	maxDepth = 50
)

// nodeDecoder is a type with a YAML form of its own. Null never gets there.
type nodeDecoder interface {
	decodeNode(dec *decoder, n *yaml.Node, path string)
}

// decoder walks a YAML tree along Go types. It collects every fault and goes on.
type decoder struct {
	source *source
	kind   Kind
	faults Faults
	nodes  int
	depth  int
}

// fault notes a broken rule about the value of a node.
func (dec *decoder) fault(n *yaml.Node, path, rule string) {
	value := n.Value
	switch n.Kind {
	case yaml.MappingNode:
		value = "a mapping"
	case yaml.SequenceNode:
		value = "a list"
	}
	dec.faults = append(dec.faults, dec.source.faultAt(n.Line, path, value, rule))
}

// enter resolves aliases and bounds the walk; false ends it here.
func (dec *decoder) enter(n *yaml.Node) (*yaml.Node, bool) {
	for hops := 0; n.Kind == yaml.AliasNode && hops < maxDepth; hops++ {
		n = n.Alias
	}
	dec.nodes++
	if dec.nodes == maxNodes+1 || dec.depth == maxDepth && dec.nodes <= maxNodes {
		dec.nodes = maxNodes + 1
		dec.fault(n, "", "the file is too large or too deep once its aliases are followed")
	}
	return n, dec.nodes <= maxNodes
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

type pair struct{ key, value *yaml.Node }

// pairs lists a mapping in the order of the file, merge keys (<<) followed.
// The place of every value but null is noted in the source under its path.
func (dec *decoder) pairs(n *yaml.Node, path string) []pair {
	n, ok := dec.enter(n)
	if !ok {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		dec.fault(n, path, "must be a mapping")
		return nil
	}
	dec.depth++
	defer func() { dec.depth-- }()
	var own, merged []pair
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.ShortTag() == "!!merge" {
			merged = append(merged, dec.merge(v, path)...)
			continue
		}
		if k.Kind != yaml.ScalarNode {
			dec.fault(k, path, "a key must be text")
			continue
		}
		if line, double := lines[k.Value]; double {
			dec.fault(k, join(path, k.Value), fmt.Sprintf("given twice, first in line %d", line))
			continue
		}
		lines[k.Value] = k.Line
		own = append(own, pair{k, v})
	}
	for _, p := range merged {
		if _, double := lines[p.key.Value]; !double {
			lines[p.key.Value] = p.key.Line
			own = append(own, p)
		}
	}
	for i, p := range own {
		v, ok := dec.enter(p.value)
		if !ok {
			return nil
		}
		own[i].value = v
		if !isNull(v) {
			dec.source.lines[join(path, p.key.Value)] = p.key.Line
		}
	}
	return own
}

// merge lists what a merge key brings: a mapping, or a list of them.
func (dec *decoder) merge(n *yaml.Node, path string) []pair {
	n, ok := dec.enter(n)
	if !ok {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		return dec.pairs(n, path)
	}
	var out []pair
	for _, item := range n.Content {
		out = append(out, dec.pairs(item, path)...)
	}
	return out
}

// structure decodes a mapping into the structure that to points to.
func (dec *decoder) structure(n *yaml.Node, to any, path string) {
	v := reflect.ValueOf(to).Elem()
	keys := keysOf(v.Type())
	for _, p := range dec.pairs(n, path) {
		at := join(path, p.key.Value)
		if isNull(p.value) { // as good as an absent key
			continue
		}
		i := slices.IndexFunc(keys, func(k key) bool { return k.name == p.key.Value })
		if i < 0 {
			dec.unknown(p.key, at, keys)
			continue
		}
		if !keys[i].belongs(dec.kind) {
			dec.fault(p.value, at, fmt.Sprintf("does not apply to a job of kind %s, but to: %s",
				dec.kind, strings.Join(keys[i].kinds(), ", ")))
			continue
		}
		dec.into(p.value, v.FieldByIndex(keys[i].index), at)
	}
}

const byRole = "is said for each role: resources.worker, .ps, .chief, .evaluator"

// wantedInstead are keys that people look for, with what they want instead.
var wantedInstead = map[string]string{
	"resources.all.cores":     byRole,
	"resources.all.memory":    byRole,
	"resources.all.gpus":      byRole,
	"app.python.requirements": "tfos installs no packages: name a Python on the executors that has them (app.python.interpreter), or ship a packed environment (spark.conf: {spark.archives: 'env.tar.gz#environment', spark.pyspark.python: ./environment/bin/python})",
}

func (dec *decoder) unknown(n *yaml.Node, path string, keys []key) {
	var names []string
	for _, k := range keys {
		if k.belongs(dec.kind) {
			names = append(names, k.name)
		}
	}
	rule := "unknown key"
	if where, known := wantedInstead[path]; known {
		rule = where
	} else if name := nearest(n.Value, names); name != "" {
		rule += fmt.Sprintf(" (did you mean %s?)", name)
	}
	dec.faults = append(dec.faults, dec.source.faultAt(n.Line, path, "", rule))
}

// into decodes a node that is not null into a settable value.
func (dec *decoder) into(n *yaml.Node, v reflect.Value, path string) {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if d, ok := v.Addr().Interface().(nodeDecoder); ok {
		d.decodeNode(dec, n, path)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		dec.structure(n, v.Addr().Interface(), path)
	case reflect.Map:
		v.Set(reflect.ValueOf(dec.textMap(n, path)))
	case reflect.Slice:
		v.Set(reflect.ValueOf(dec.texts(n, path)))
	case reflect.String:
		if text, ok := dec.text(n, path); ok {
			v.SetString(text)
		}
	case reflect.Bool:
		if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" || n.Decode(v.Addr().Interface()) != nil {
			dec.fault(n, path, "must be true or false")
		}
	case reflect.Float64:
		if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" && n.ShortTag() != "!!float" || n.Decode(v.Addr().Interface()) != nil || math.IsInf(v.Float(), 0) || math.IsNaN(v.Float()) {
			dec.fault(n, path, "must be a finite number")
		}
	default:
		if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" || n.Decode(v.Addr().Interface()) != nil {
			dec.fault(n, path, "must be a whole number")
		}
	}
}
