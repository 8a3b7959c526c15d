package model

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	shapepb "github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
)

// fingerprintFile has hashes of the graph and of the variables.
const fingerprintFile = "fingerprint.pb"

// carrySavedModel adds the SavedModel's files to the export, but for its variables.
// The graph's file is left out if the export has another graph, and the fingerprint if
// it would be wrong.
func (e *exporter) carrySavedModel() error {
	dir, err := filepath.EvalSymlinks(e.saved.Dir)
	if err != nil {
		return &ModelError{Path: e.saved.Dir, Problem: "cannot be read", Err: err}
	}
	err = filepath.WalkDir(dir, func(from string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to, err := filepath.Rel(dir, from)
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (to == "variables" || strings.HasPrefix(entry.Name(), ".") && to != "."):
			return fs.SkipDir
		case entry.IsDir(), strings.HasPrefix(entry.Name(), "."):
			return nil
		case e.changed && (to == SavedModelFile || to == SavedModelText), (e.changed || e.prefix != "") && to == fingerprintFile:
			return nil
		}
		e.out.Files = append(e.out.Files, File{from, filepath.ToSlash(to)})
		return nil
	})
	if err != nil {
		return &ModelError{Path: dir, Problem: "cannot be read", Err: err}
	}
	return nil
}

// dropTasks takes the devices of a cluster's tasks out of a SavedModel's graph. The
// author of a graph program may have divided it over workers; other processes do not
// have them.
func (e *exporter) dropTasks() {
	drop := func(nodes []*nodepb.NodeDef) {
		for _, n := range nodes {
			if _, task := parseDevice(n.GetDevice()); task {
				n.Device, e.changed = "", true
			}
		}
	}
	def := e.pb.GetGraphDef()
	drop(def.GetNode())
	for _, f := range def.GetLibrary().GetFunction() {
		drop(f.GetNodeDef())
	}
}

// makePortable makes the graph of a .meta file or of a frozen graph one that loads
// elsewhere: without devices, with its tables' files as assets, with an initialiser
// that fills its tables, and with the tag serve.
func (e *exporter) makePortable() error {
	def := e.pb.GetGraphDef()
	for i, n := range def.GetNode() {
		def.Node[i] = withoutDevice(n)
	}
	for _, f := range def.GetLibrary().GetFunction() {
		for i, n := range f.GetNodeDef() {
			f.NodeDef[i] = withoutDevice(n)
		}
	}
	if e.pb.MetaInfoDef == nil {
		e.pb.MetaInfoDef = &corepb.MetaGraphDef_MetaInfoDef{}
	}
	e.pb.MetaInfoDef.Tags = []string{"serve"}
	e.addInitializer()
	return e.addAssets()
}

// exportInit is the name of the node that fills an export's tables.
const exportInit = ownScope + "/init"

// addInitializer adds a node that runs the operations which fill tables, and names it
// as tf.compat.v1.saved_model.Builder names its main_op.
func (e *exporter) addInitializer() {
	if e.pb.GetSignatureDef()[initSignature] != nil {
		return
	}
	init := e.source.tableInitializers()
	if !e.frozen {
		init = (&Checkpoint{MetaGraph: e.source}).initializers()
	}
	if len(init) == 0 {
		return
	}
	node := &nodepb.NodeDef{Name: exportInit, Op: "NoOp"}
	slices.Sort(init)
	for _, op := range slices.Compact(init) {
		node.Input = append(node.Input, "^"+op)
	}
	e.pb.GraphDef.Node = append(e.pb.GraphDef.Node, node)
	e.pb.SignatureDef[initSignature] = &corepb.SignatureDef{Outputs: map[string]*corepb.TensorInfo{
		initSignature: {Encoding: &corepb.TensorInfo_Name{Name: exportInit}, TensorShape: &shapepb.TensorShapeProto{UnknownRank: true}}}}
}

// addAssets makes assets of the files that fill tables, and of those in the collection
// asset_filepaths. The graph names them in constants.
func (e *exporter) addAssets() error {
	nodes := map[string]*nodepb.NodeDef{}
	for _, n := range e.pb.GetGraphDef().GetNode() {
		nodes[n.GetName()] = n
	}
	names := slices.Clone(e.pb.GetCollectionDef()["asset_filepaths"].GetNodeList().GetValue())
	for _, n := range e.pb.GetGraphDef().GetNode() {
		if strings.HasPrefix(n.GetOp(), "InitializeTableFromTextFile") && len(n.GetInput()) > 1 {
			names = append(names, n.GetInput()[1])
		}
	}
	added := map[string]bool{}
	files := map[string]string{} // base name in the export -> path
	for _, name := range names {
		op, _, _ := strings.Cut(name, ":")
		text := nodes[op].GetAttr()["value"].GetTensor().GetStringVal()
		if added[op] || nodes[op].GetOp() != "Const" || len(text) != 1 {
			continue // a placeholder, or computed: whoever runs the graph feeds it
		}
		added[op] = true
		from, err := e.findAsset(string(text[0]))
		if err != nil {
			return err
		}
		base := freeName(files, from)
		if files[base] == "" {
			files[base] = from
			e.out.Files = append(e.out.Files, File{from, path.Join("assets", base)})
		}
		e.pb.AssetFileDef = append(e.pb.AssetFileDef, &corepb.AssetFileDef{
			TensorInfo: &corepb.TensorInfo{Encoding: &corepb.TensorInfo_Name{Name: op + ":0"}}, Filename: base})
	}
	return nil
}

// freeName returns the base name of a path, or the base name with a number if another
// file has it.
func freeName(files map[string]string, path string) string {
	base := filepath.Base(path)
	name := base
	for n := 1; files[name] != "" && files[name] != path; n++ {
		name = fmt.Sprintf("%s_%d", base, n)
	}
	return name
}

// findAsset finds a file that the graph names: at its path, or else beside the graph's
// file. A relative path starts at the graph's folder.
func (e *exporter) findAsset(name string) (string, error) {
	dir := filepath.Dir(e.out.Graph)
	tries := []string{name, filepath.Join(dir, filepath.Base(name))}
	if !filepath.IsAbs(name) {
		tries = []string{filepath.Join(dir, name), filepath.Join(dir, filepath.Base(name))}
	}
	for _, path := range tries {
		if exists(path) {
			return path, nil
		}
	}
	return "", &ModelError{Path: e.out.Graph, Problem: fmt.Sprintf("a table reads the file %s, which is not there", name),
		Remedy: "copy it to " + tries[len(tries)-1], Err: errors.New("looked for " + strings.Join(tries, " and "))}
}
