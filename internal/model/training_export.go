package model

import (
	"slices"
	"strings"

	attrpb "github.com/wamuir/graft/tensorflow/core/framework/attr_value_go_proto"
	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"
)

// Exportable tells whether an export of the graph can be made when it is trained. If not,
// the error is a *ModelError.
func (t *Training) Exportable() error {
	if t.ofMetaFile() && len(t.graph.Signatures) == 0 {
		return &ModelError{Path: t.Path, Problem: "the graph has no signature, which a SavedModel needs",
			Remedy: "leave export_dir out, and declare one with tfos export CHECKPOINT --export-dir … --inputs … --outputs … when it is trained"}
	}
	return nil
}

// ofMetaFile tells whether the graph is of a .meta file, not of a SavedModel.
func (t *Training) ofMetaFile() bool { return strings.HasSuffix(t.Path, metaSuffix) }

// restores tells whether the graph has an operation that restores its variables.
func (g *MetaGraph) restores() bool {
	saver := g.pb.GetSaverDef()
	return saver.GetRestoreOpName() != "" && saver.GetFilenameTensorName() != ""
}

// NeedsMetaFile tells whether only the .meta file beside a checkpoint, and not the graph's
// own file, can restore the checkpoint: the graph is of a .meta file that has no saver for
// all variables.
func (t *Training) NeedsMetaFile() bool { return t.ofMetaFile() && t.ownSaver() }

// MetaFile returns the content of the .meta file beside checkpoints of this training: that
// of the function MetaFile. tags are those of the graph in its SavedModel. If a .meta file
// has no saver for all variables, its graph gets one, without which a checkpoint is no
// model.
func (t *Training) MetaFile(tags []string) ([]byte, error) {
	if !t.NeedsMetaFile() {
		return MetaFile(t.Path, tags)
	}
	read, err := openMeta(t.Path)
	if err != nil {
		return nil, err
	}
	pb := read.pb
	place, err := newPlacement(t.Path, pb.GetGraphDef(), nil, nil, Independent, Cluster{})
	if err != nil {
		return nil, err
	}
	b := t.builder(place, t.variables, &graphpb.GraphDef{})
	pb.SaverDef = b.addMetaSaver()
	pb.GraphDef.Node = slices.DeleteFunc(pb.GetGraphDef().GetNode(), func(n *nodepb.NodeDef) bool {
		return strings.HasPrefix(n.GetName(), metaScope+"/") // of a training before
	})
	pb.GraphDef.Node = append(pb.GraphDef.Node, b.def.Node...)
	raw, err := proto.Marshal(pb)
	if err != nil {
		return nil, &ModelError{Path: t.Path, Problem: "its graph cannot be written", Err: err}
	}
	return raw, nil
}

// metaScope is the scope of the saver in a .meta file. It is not that of a training's
// saver, so that the file can train again.
const metaScope = ownScope + "/saver"

// addMetaSaver adds a saver of all variables but the count that tfos has added, which is
// not in the author's graph.
func (b *trainingBuilder) addMetaSaver() *corepb.SaverDef {
	var all []*trainedVariable
	for i := range b.variables {
		if v := &b.variables[i]; v.key != "" && !v.own {
			all = append(all, v)
		}
	}
	filename := b.addFilename(metaScope)
	restore := b.addRestore(metaScope+"/restore", filename, all...)
	save := b.addSave(metaScope, filename, all, b.objects)
	saved := b.add(metaScope+"/saved", "Identity", map[string]*attrpb.AttrValue{"T": typeAttr(String)}, append([]string{filename}, after(save)...)...)
	return &corepb.SaverDef{FilenameTensorName: filename + ":0", SaveTensorName: saved + ":0", RestoreOpName: restore, Version: corepb.SaverDef_V2, MaxToKeep: 5}
}
