package model

import (
	_ "embed"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	oppb "github.com/wamuir/graft/tensorflow/core/framework/op_def_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
)

// operationsText lists the operations of TensorFlow and other libraries. The format
// is described in scripts/tests/zoo/operations.py, which writes it. A frozen graph
// does not say which outputs its operations have. No graph says which library has
// an operation.
//
//go:embed operations.txt
var operationsText string

// operation is the name and the outputs of an operation, and the library that
// registers it.
type operation struct {
	library string
	def     *oppb.OpDef
}

var operations = sync.OnceValue(func() map[string]operation {
	known, library := map[string]operation{}, ""
	for line := range strings.Lines(operationsText) {
		words := strings.Fields(line)
		if name, ok := strings.CutPrefix(words[0], "["); ok {
			library = strings.TrimSuffix(name, "]")
			continue
		}
		def := &oppb.OpDef{Name: words[0]}
		for _, word := range words[1:] {
			def.OutputArg = append(def.OutputArg, parseOutput(word))
		}
		known[def.Name] = operation{library, def}
	}
	return known
})

func parseOutput(word string) *oppb.OpDef_ArgDef {
	arg := &oppb.OpDef_ArgDef{}
	if list, ok := strings.CutPrefix(word, "["); ok {
		arg.TypeListAttr = strings.TrimSuffix(list, "]")
		return arg
	}
	if count, rest, counted := strings.Cut(word, "*"); counted {
		arg.NumberAttr, word = count, rest
	}
	if n, err := strconv.Atoi(word); err == nil {
		arg.Type = typespb.DataType(n)
	} else {
		arg.TypeAttr = word
	}
	return arg
}

// CustomOperations returns the graph's operations that TensorFlow itself does not
// have, by the library that has them. Names are sorted. Library "" is unknown.
func (g *MetaGraph) CustomOperations() map[string][]string {
	custom := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(g.usedOperations())) {
		if o := operations()[name]; o.library != "tensorflow" && !g.functions[name] {
			custom[o.library] = append(custom[o.library], name)
		}
	}
	return custom
}
