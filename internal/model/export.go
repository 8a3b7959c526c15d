package model

import (
	"path/filepath"
	"slices"
	"strings"

	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"
)

// ExportSource says which model is exported. One of Graph and Checkpoint is set, or
// both.
type ExportSource struct {
	// Graph is a SavedModel, a .meta file, or a frozen graph's file. "": the .meta file
	// beside the checkpoint.
	Graph  string   `json:"graph,omitempty"`
	TagSet []string `json:"tag_set,omitempty"` // of a SavedModel's graph. Empty: serve
	// Checkpoint is a checkpoint, or a folder of them: see FindCheckpoint. "": the
	// graph's own variables.
	Checkpoint string `json:"checkpoint,omitempty"`
}

// Path returns the path that the user named first.
func (s ExportSource) Path() string {
	if s.Checkpoint != "" {
		return s.Checkpoint
	}
	return s.Graph
}

// Export is a SavedModel to be written.
type Export struct {
	Graph      string // path of the source's graph
	Checkpoint string // prefix of the checkpoint whose values the export has. "": none
	// SavedModel is the content of saved_model.pb. nil: the file is among Files.
	SavedModel []byte
	Files      []File   // of the source, which are carried as they are
	Values     *Values  // of variables/variables. nil: none, or among Files
	TagSet     []string // of its graph
	Signatures []string // sorted
	Notes      []string // what a user must know
}

// File is a file of the source, and its path in the export.
type File struct{ From, To string }

// Export opens the source and returns the SavedModel that is to be made of it. If the
// source, or the choice, does not fit, the error is a *ModelError.
//
//   - A SavedModel of which all is kept is carried as it is.
//   - A .meta file or a frozen graph becomes a SavedModel without devices. Files that
//     its tables read become assets, and the operations that fill tables its
//     initialiser.
//   - Values of a checkpoint whose keys the graph restores are carried as they are.
//     Otherwise they are found by the object graphs, or by the variables' names, and
//     get the keys that the graph restores.
func (s ExportSource) Export(choice SignatureChoice) (*Export, error) {
	e, err := s.open()
	if err != nil {
		return nil, err
	}
	if err := e.chooseSignatures(choice); err != nil {
		return nil, err
	}
	if e.saved == nil {
		if err := e.makePortable(); err != nil {
			return nil, err
		}
	} else {
		e.dropTasks()
	}
	if err := e.findValues(); err != nil {
		return nil, err
	}
	return e.finish()
}

// exporter makes an Export.
type exporter struct {
	source *MetaGraph
	saved  *SavedModel // nil: the graph is of a .meta file or frozen
	frozen bool
	prefix string               // of the checkpoint. "": the values are the graph's own
	pb     *corepb.MetaGraphDef // of the export
	// changed says that pb is not what the SavedModel's file has.
	changed bool
	out     Export
}

// open opens the graph and finds the checkpoint.
func (s ExportSource) open() (*exporter, error) {
	e := &exporter{}
	var err error
	if s.Checkpoint != "" {
		if e.prefix, err = e.findComplete(s.Checkpoint); err != nil {
			return nil, err
		}
	}
	graph := s.Graph
	if graph == "" {
		if graph = e.prefix + metaSuffix; !exists(graph) {
			return nil, withoutExportGraph(e.prefix)
		}
	}
	if strings.HasSuffix(graph, metaSuffix) && exists(graph) {
		err = e.openMeta(graph)
	} else {
		err = e.openModel(s, graph)
	}
	if err != nil {
		return nil, err
	}
	e.out.Graph, e.out.Checkpoint, e.pb = graph, e.prefix, proto.CloneOf(e.source.pb)
	return e, nil
}

// findComplete is findCheckpoint. If path is a folder whose newest checkpoint is not
// complete, it takes the newest complete one, and notes that.
func (e *exporter) findComplete(path string) (string, error) {
	prefix, err := findCheckpoint(path)
	if err != nil {
		return "", err
	}
	if filepath.Clean(path) != filepath.Dir(prefix) { // the user named the checkpoint
		return prefix, nil
	}
	b, err := readBundle(prefix)
	problem := ""
	if err != nil {
		problem = err.Error()
	} else if problem = b.incomplete(); problem == "" {
		return prefix, nil
	}
	newest := newestComplete(path)
	if newest == "" {
		return prefix, nil // completeBundle says what is missing
	}
	e.out.Notes = append(e.out.Notes, filepath.Base(prefix)+" is not complete ("+problem+"): "+filepath.Base(newest)+" is taken, the newest complete checkpoint")
	return newest, nil
}

// openMeta opens a .meta file. Without a checkpoint, the one beside it is taken.
func (e *exporter) openMeta(path string) error {
	if e.prefix == "" {
		e.prefix = strings.TrimSuffix(path, metaSuffix)
		if !exists(e.prefix + indexSuffix) {
			return &ModelError{Path: path, Problem: "its variables are not there: no " + filepath.Base(e.prefix) + indexSuffix,
				Remedy: "name the checkpoint in model_dir"}
		}
	}
	graph, err := openMeta(path)
	if err != nil {
		return err
	}
	e.source = graph
	if !graph.restores() {
		return &ModelError{Path: path, Problem: "its graph has no operation that restores variables", Remedy: "write it with tf.train.Saver.save"}
	}
	return nil
}

// openModel opens a SavedModel or a frozen graph.
func (e *exporter) openModel(s ExportSource, path string) error {
	settled, note, err := Source{Model: path, TagSet: s.TagSet}.Resolve()
	if err != nil {
		return err
	}
	if note != "" {
		e.out.Notes = append(e.out.Notes, note)
	}
	if settled.Frozen() {
		if e.prefix != "" {
			return &ModelError{Path: path, Problem: "a frozen graph has its values in itself, and takes none of a checkpoint", Remedy: "name the graph alone, or a SavedModel or .meta file of the program"}
		}
		e.frozen = true
		e.source, err = OpenFrozen(settled.Model)
		return err
	}
	if e.saved, err = Open(settled.Model); err != nil {
		return err
	}
	if e.prefix == "" {
		e.source, err = e.saved.MetaGraph(s.TagSet...)
	} else {
		e.source, err = e.saved.findGraph(s.TagSet)
	}
	// Not all readers know the text form.
	e.changed = len(e.saved.graphs) > 1 || !exists(filepath.Join(e.saved.Dir, SavedModelFile))
	return err
}

// withoutExportGraph is withoutGraph, for an export that could be told the graph.
func withoutExportGraph(prefix string) error {
	return &ModelError{Path: prefix, Problem: "the checkpoint has variables and no graph: there is no " + filepath.Base(prefix) + metaSuffix,
		Remedy: "name a SavedModel or .meta file of the program that wrote it: app.graph.path in a job file, --graph on the command line"}
}

// finish returns the Export.
func (e *exporter) finish() (*Export, error) {
	if e.saved != nil {
		if err := e.carrySavedModel(); err != nil {
			return nil, err
		}
	}
	if e.saved == nil || e.changed {
		file := &corepb.SavedModel{SavedModelSchemaVersion: schemaVersion, MetaGraphs: []*corepb.MetaGraphDef{e.pb}}
		var err error
		if e.out.SavedModel, err = (proto.MarshalOptions{Deterministic: true}).Marshal(file); err != nil {
			return nil, &ModelError{Path: e.out.Graph, Problem: "its graph cannot be written", Err: err}
		}
	}
	slices.Sort(e.out.Signatures)
	e.out.TagSet = e.pb.GetMetaInfoDef().GetTags()
	return &e.out, nil
}

// schemaVersion is SAVED_MODEL_SCHEMA_VERSION of
// tensorflow/python/saved_model/constants.py.
const schemaVersion = 1
