package model

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	attrpb "github.com/wamuir/graft/tensorflow/core/framework/attr_value_go_proto"
	tensorpb "github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	shapepb "github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
)

// saver is the operations that move values between variables and a checkpoint.
type saver struct {
	filename      string // a tensor that takes the checkpoint's prefix
	restore, save string
	missing       map[string]string // by key: the operation that restores a variable that a checkpoint may lack
}

// restoreStep restores variables. there has the keys that the checkpoint has.
func (s *saver) restoreStep(prefix string, there map[string]bool) Step {
	step := Step{Feeds: map[string]string{s.filename: prefix}, Targets: []string{s.restore}}
	for key, op := range s.missing {
		if there[key] {
			step.Targets = append(step.Targets, op)
		}
	}
	slices.Sort(step.Targets[1:])
	return step
}

func (s *saver) saveStep(prefix string) Step {
	return Step{Feeds: map[string]string{s.filename: prefix}, Targets: []string{s.save}}
}

// addSaving finds the graph's saver, or adds one. If variables are on several devices, or
// on another than the member's, it adds a second saver: every device reads and writes the
// values of its variables. These need a file system that the devices share.
func (b *trainingBuilder) addSaving() {
	objects, plain := b.toSave()
	if b.ownSaver() || len(b.program.Divided) > 0 {
		b.program.saver = b.addSaver(objects)
	} else {
		def := b.graph.pb.GetSaverDef()
		b.program.saver = saver{filename: def.GetFilenameTensorName(), restore: def.GetRestoreOpName(), save: nodeOf(def.GetSaveTensorName())}
	}
	if devices, of := b.homesOf(b.saved()); plain && !slices.Equal(devices, []device{b.own}) {
		b.program.shards = b.addShards(devices, of, objects)
	}
}

// toSave returns the object graph that checkpoints have. plain tells whether they have
// nothing else but variables, so that a saver of tfos can write them.
func (t *Training) toSave() (objects []byte, plain bool) {
	if t.ownSaver() {
		return t.objects, true
	}
	return t.savedObjects()
}

// saved returns the variables of checkpoints.
func (b *trainingBuilder) saved() []*trainedVariable {
	var all []*trainedVariable
	for i := range b.variables {
		if b.variables[i].key != "" {
			all = append(all, &b.variables[i])
		}
	}
	return all
}

// homesOf returns the devices of variables, sorted, with the variables of each.
func (b *trainingBuilder) homesOf(variables []*trainedVariable) ([]device, map[device][]*trainedVariable) {
	of := map[device][]*trainedVariable{}
	for _, v := range variables {
		home := b.homes[v.node.GetName()]
		of[home] = append(of[home], v)
	}
	return slices.SortedFunc(maps.Keys(of), func(x, y device) int { return cmp.Or(cmp.Compare(x.job, y.job), cmp.Compare(x.task, y.task)) }), of
}

// addSaver adds a saver of all variables on the member's device.
func (b *trainingBuilder) addSaver(objects []byte) saver {
	scope := ownScope + "/save"
	filename := b.addFilename(scope)
	s := saver{filename: filename + ":0", missing: map[string]string{}}
	s.restore = b.addRestores(scope, filename, b.saved(), s.missing)
	s.save = b.addSave(scope, filename, b.saved(), objects)
	return s
}

// addRestores adds an operation that restores the variables that a checkpoint must have.
// It adds one for each other variable to missing.
func (b *trainingBuilder) addRestores(scope, filename string, variables []*trainedVariable, missing map[string]string) (all string) {
	var must []*trainedVariable
	for i, v := range variables {
		if v.first == "" {
			must = append(must, v)
			continue
		}
		missing[v.key] = b.addRestore(fmt.Sprintf("%s/restore_%d", scope, i), filename, v)
	}
	return b.addRestore(scope+"/restore_all", filename, must...)
}

// addShards adds a saver whose work is done on the devices of variables.
//
// Each device saves a checkpoint of its own in the folder <prefix>_temp. TensorFlow
// makes that folder, but not those above it: on a device that does not see the folder
// of prefix, saving fails with NOT_FOUND. The member then makes one checkpoint of them,
// by moving files, as tf.compat.v1.train.Saver(sharded=True) does.
//
// A device restores only from a checkpoint whose index is that of the member's. The
// index has checksums of all values. Else, restoring fails with NOT_FOUND.
func (b *trainingBuilder) addShards(devices []device, of map[device][]*trainedVariable, objects []byte) *saver {
	scope := ownScope + "/shards"
	filename := b.addFilename(scope)
	s := &saver{filename: filename + ":0", missing: map[string]string{}}
	index := b.addJoin(scope+"/index", filename, indexSuffix)
	here := b.add(scope+"/here", "ReadFile", nil, index)
	var restored, parts, saves []string
	for i, d := range devices {
		at, name := b.at(d), fmt.Sprintf("%s/%d", scope, i)
		there := at.add(name+"/there", "ReadFile", nil, index)
		same := at.add(name+"/same", "Equal", map[string]*attrpb.AttrValue{"T": typeAttr(String)}, there, here)
		other := at.addJoin(name+"/other", filename, " of another machine")
		prefix := at.add(name+"/prefix", "SelectV2", map[string]*attrpb.AttrValue{"T": typeAttr(String)}, same, filename, other)
		restored = append(restored, at.addRestores(name, prefix, of[d], s.missing))

		part := b.addJoin(name+"/part", filename, fmt.Sprintf("_temp/part-%05d-of-%05d", i, len(devices)))
		saves = append(saves, at.addSave(name, part, of[d], objects))
		parts, objects = append(parts, part), nil // the first part has them
	}
	s.restore = b.group(scope+"/restore_all", restored...)
	packed := b.add(scope+"/parts", "Pack", map[string]*attrpb.AttrValue{"N": intAttr(len(parts)), "T": typeAttr(String)}, parts...)
	s.save = b.add(scope+"/merge", "MergeV2Checkpoints", nil, append([]string{packed, filename}, after(saves...)...)...)
	return s
}

// addJoin adds a text: that of a tensor, and an end.
func (b *trainingBuilder) addJoin(name, text, end string) string {
	constant := b.addConstant(name+"/end", &tensorpb.TensorProto{Dtype: typespb.DataType_DT_STRING, TensorShape: &shapepb.TensorShapeProto{}, StringVal: [][]byte{[]byte(end)}})
	return b.add(name, "StringJoin", map[string]*attrpb.AttrValue{"N": intAttr(2)}, text, constant)
}

// addRestore adds an operation that restores variables.
func (b *trainingBuilder) addRestore(name, filename string, variables ...*trainedVariable) string {
	var keys, parts, assigned []string
	var types []typespb.DataType
	for _, v := range variables {
		keys, parts, types = append(keys, v.key), append(parts, v.slice), append(types, typespb.DataType(v.dtype))
	}
	if len(variables) > 0 {
		values := b.add(name+"/values", "RestoreV2", map[string]*attrpb.AttrValue{"dtypes": typesAttr(types)},
			filename, b.addTexts(name+"/keys", keys...), b.addTexts(name+"/slices", parts...))
		for i, v := range variables {
			assigned = append(assigned, b.assign(fmt.Sprintf("%s/%d", name, i), v, fmt.Sprintf("%s:%d", values, i)))
		}
	}
	return b.group(name, assigned...)
}

// addSave adds an operation that saves variables. objects is the object graph of the
// checkpoint that comes with the model. nil: there is none.
func (b *trainingBuilder) addSave(scope, filename string, variables []*trainedVariable, objects []byte) string {
	var keys, parts, values []string
	var types []typespb.DataType
	for i, v := range variables {
		value := v.node.GetName()
		if !v.byReference() {
			value = b.read(fmt.Sprintf("%s/read_%d", scope, i), v)
		}
		for _, key := range append([]string{v.key}, v.aliases...) {
			keys, parts, types, values = append(keys, key), append(parts, v.slice), append(types, typespb.DataType(v.dtype)), append(values, value)
		}
	}
	if len(objects) > 0 {
		keys, parts, types = append(keys, objectGraph), append(parts, ""), append(types, typespb.DataType_DT_STRING)
		values = append(values, b.addConstant(scope+"/objects", &tensorpb.TensorProto{Dtype: typespb.DataType_DT_STRING,
			TensorShape: &shapepb.TensorShapeProto{}, StringVal: [][]byte{objects}}))
	}
	inputs := append([]string{filename, b.addTexts(scope+"/keys", keys...), b.addTexts(scope+"/slices", parts...)}, values...)
	return b.add(scope+"/save", "SaveV2", map[string]*attrpb.AttrValue{"dtypes": typesAttr(types)}, inputs...)
}

// addFilename adds a placeholder for a checkpoint's prefix.
func (b *trainingBuilder) addFilename(scope string) string {
	return b.add(scope+"/filename", "Placeholder", map[string]*attrpb.AttrValue{"dtype": typeAttr(String), "shape": {Value: &attrpb.AttrValue_Shape{Shape: &shapepb.TensorShapeProto{}}}})
}

func typesAttr(types []typespb.DataType) *attrpb.AttrValue {
	return &attrpb.AttrValue{Value: &attrpb.AttrValue_List{List: &attrpb.AttrValue_ListValue{Type: types}}}
}
