package job

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Duration is a time span such as 600s, always positive.
type Duration time.Duration

// Milliseconds is the span in milliseconds.
func (d Duration) Milliseconds() int64 { return time.Duration(d).Milliseconds() }

func (d Duration) String() string { return time.Duration(d).String() }

func (d *Duration) decodeNode(dec *decoder, n *yaml.Node, path string) {
	v, err := time.ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || v <= 0 {
		dec.fault(n, path, "must be a time such as 600s or 10m")
		return
	}
	*d = Duration(v)
}

// Memory is a size in bytes, such as 2g.
type Memory int64

var memoryText = regexp.MustCompile(`^([0-9]{1,9})([kmgtKMGT])[bB]?$`)

// parseMemory reads a size as Spark writes it, with a unit.
func parseMemory(text string) (Memory, bool) {
	m := memoryText.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return 0, false
	}
	shift := 10 * (1 + strings.Index("kmgt", strings.ToLower(m[2])))
	if n > (1<<62)>>shift {
		return 0, false
	}
	return Memory(n << shift), true
}

// MiB is the size in MiB, rounded up.
func (m Memory) MiB() int64 { return (int64(m) + 1<<20 - 1) >> 20 }

func (m Memory) String() string {
	for i, unit := range []string{"t", "g", "m"} {
		if size := int64(1) << (40 - 10*i); int64(m) >= size && int64(m)%size == 0 {
			return fmt.Sprintf("%d%s", int64(m)/size, unit)
		}
	}
	return fmt.Sprintf("%dk", int64(m)>>10)
}

func (m *Memory) decodeNode(dec *decoder, n *yaml.Node, path string) {
	if n.Kind == yaml.ScalarNode && n.Value == "0" {
		*m = 0
		return
	}
	v, ok := parseMemory(n.Value)
	if n.Kind != yaml.ScalarNode || !ok || v == 0 {
		dec.fault(n, path, "must be a size such as 512m or 2g")
		return
	}
	*m = v
}

// BatchSize is a number of rows, or AutoBatch.
type BatchSize int

// AutoBatch is auto: inference finds the number while it computes.
const AutoBatch BatchSize = math.MinInt

func (b BatchSize) String() string {
	if b == AutoBatch {
		return "auto"
	}
	return strconv.Itoa(int(b))
}

func (b *BatchSize) decodeNode(dec *decoder, n *yaml.Node, path string) {
	switch auto := n.Value == AutoBatch.String(); {
	case auto && dec.kind == Train:
		dec.fault(n, path, "auto is for inference: another size is another training")
	case auto:
		*b = AutoBatch
	default:
		dec.into(n, reflect.ValueOf((*int)(b)).Elem(), path)
	}
}

// Percent is a share, 0 to 100.
type Percent float64

func (p Percent) String() string { return strconv.FormatFloat(float64(p), 'g', -1, 64) + "%" }

func (p *Percent) decodeNode(dec *decoder, n *yaml.Node, path string) {
	text, ok := strings.CutSuffix(n.Value, "%")
	v, err := strconv.ParseFloat(text, 64)
	if n.Kind != yaml.ScalarNode || !ok || err != nil || !(v >= 0 && v <= 100) {
		dec.fault(n, path, "must be a share such as 0.1%")
		return
	}
	*p = Percent(v)
}

// Mapping is a YAML mapping of text to text in the order of the file.
type Mapping [][2]string

// Map is the mapping without its order; nil when empty.
func (m Mapping) Map() map[string]string {
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]string, len(m))
	for _, kv := range m {
		out[kv[0]] = kv[1]
	}
	return out
}

// Keys are the left sides in order; nil when empty.
func (m Mapping) Keys() []string {
	var keys []string
	for _, kv := range m {
		keys = append(keys, kv[0])
	}
	return keys
}

func (m *Mapping) decodeNode(dec *decoder, n *yaml.Node, path string) {
	for _, p := range dec.pairs(n, path) {
		if text, ok := dec.text(p.value, join(path, p.key.Value)); ok {
			*m = append(*m, [2]string{p.key.Value, text})
		}
	}
}

// Tags is a list of texts that may be written as one text with commas.
type Tags []string

func (t *Tags) decodeNode(dec *decoder, n *yaml.Node, path string) {
	if n.Kind != yaml.ScalarNode {
		*t = dec.texts(n, path)
		return
	}
	for _, tag := range strings.Split(n.Value, ",") {
		*t = append(*t, strings.TrimSpace(tag))
	}
}

// Args is what a Python program gets: a mapping, or an argv.
type Args struct {
	Values map[string]any
	Argv   []string
}

func (a *Args) decodeNode(dec *decoder, n *yaml.Node, path string) {
	switch n.Kind {
	case yaml.SequenceNode:
		a.Argv = dec.texts(n, path)
		if a.Argv == nil {
			a.Argv = []string{}
		}
	case yaml.MappingNode:
		a.Values, _ = dec.value(n, path).(map[string]any)
	default:
		dec.fault(n, path, "must be a mapping (it becomes args) or a list (it becomes argv)")
	}
}

// Signatures are names to keep, or declarations by tensor name.
type Signatures struct {
	Keep    []string
	Declare map[string]Signature
}

// Signature is a declared signature: alias -> tensor.
type Signature struct {
	Inputs  map[string]string `yaml:"inputs"`
	Outputs map[string]string `yaml:"outputs"`
}

func (s *Signatures) decodeNode(dec *decoder, n *yaml.Node, path string) {
	switch n.Kind {
	case yaml.SequenceNode:
		s.Keep = dec.texts(n, path)
	case yaml.MappingNode:
		s.Declare = map[string]Signature{}
		for _, p := range dec.pairs(n, path) {
			var sig Signature
			dec.structure(p.value, &sig, join(path, p.key.Value))
			s.Declare[p.key.Value] = sig
		}
	default:
		dec.fault(n, path, "must be a list of names or a mapping of declarations")
	}
}

// Constants are values of inputs, as JSON.
type Constants map[string]json.RawMessage

func (c *Constants) decodeNode(dec *decoder, n *yaml.Node, path string) {
	*c = Constants{}
	for _, p := range dec.pairs(n, path) {
		at := join(path, p.key.Value)
		text, err := json.Marshal(dec.value(p.value, at))
		if err != nil || p.value.Kind == yaml.MappingNode || isNull(p.value) {
			dec.fault(p.value, at, "must be a number, a text, true, false, or a list of them")
			continue
		}
		(*c)[p.key.Value] = text
	}
}
