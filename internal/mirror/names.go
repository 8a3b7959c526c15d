package mirror

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"tfos/internal/model"
)

// kind is what a file is to the mirror, by its name.
type kind int

const (
	ordinary   kind = iota
	ignored         // temporary and hidden files: they stay where they are
	state           // the state file of a folder
	index           // of a checkpoint
	data            // of a checkpoint
	meta            // the graph beside a checkpoint, or another file with this ending
	events          // of TensorBoard: it only grows
	savedModel      // saved_model.pb: its folder is an export
	weights         // of Keras, in one file
)

// stateName is the name of state files.
const stateName = "checkpoint"

var (
	// dataName matches data files of checkpoints (tensorflow/core/util/tensor_bundle/naming.cc).
	dataName = regexp.MustCompile(`^(.+)\.data-(\d{5})-of-(\d{5})$`)
	// temporaryName matches what TensorFlow writes and then renames: parts of a checkpoint,
	// data files that grow, and state files.
	temporaryName = regexp.MustCompile(`(_temp/part-\d{5}-of-\d{5}\.(index|data-.*)|\.tempstate\d+|/checkpoint\.tmp[0-9a-f]*)$`)
	eventName     = regexp.MustCompile(`\.tfevents\.`)
	weightsName   = regexp.MustCompile(`\.(h5|hdf5|keras)$`)
	digits        = regexp.MustCompile(`\d+`)
	// stepName matches a prefix that ends in a step.
	stepName = regexp.MustCompile(`-(\d{1,18})$`)
)

// kindOf returns the kind of the file at name, a path below the folder with slashes.
func kindOf(name string) kind {
	base := path.Base(name)
	switch {
	case strings.HasPrefix(name, ".") || strings.Contains(name, "/."), temporaryName.MatchString("/" + name):
		return ignored
	case base == stateName:
		return state
	case strings.HasSuffix(base, ".index") && base != ".index":
		return index
	case dataName.MatchString(base):
		return data
	case strings.HasSuffix(base, ".meta"):
		return meta
	case eventName.MatchString(base):
		return events
	case model.IsSavedModelFile(base):
		return savedModel
	case weightsName.MatchString(base):
		return weights
	}
	return ordinary
}

// prefixOf returns the checkpoint to which a file of the kinds index, data or meta
// belongs.
func prefixOf(name string) string {
	if m := dataName.FindStringSubmatch(name); m != nil {
		return m[1]
	}
	return strings.TrimSuffix(strings.TrimSuffix(name, ".index"), ".meta")
}

// stepOf returns the step in which a prefix ends; -1: it has none.
func stepOf(prefix string) int64 {
	m := stepName.FindStringSubmatch(prefix)
	if m == nil {
		return -1
	}
	step, _ := strconv.ParseInt(m[1], 10, 64)
	return step
}

// family returns what the names of a series of files have in common: weights.01.h5 and
// weights.02.h5 are of one family.
func family(name string) string { return digits.ReplaceAllString(name, "#") }

// checkpoint is the files of a checkpoint: names below the folder.
type checkpoint struct {
	prefix string
	data   []string // sorted
	meta   string   // "": there is none
	shards int      // how many data files its data files name
}

func (c checkpoint) index() string { return c.prefix + ".index" }

// hasAllData reports whether every data file is there.
func (c checkpoint) hasAllData() bool { return c.shards > 0 && len(c.data) == c.shards }

// files returns the checkpoint's files in the order in which they are written: its index
// last.
func (c checkpoint) files() []string {
	all := append([]string{}, c.data...)
	if c.meta != "" {
		all = append(all, c.meta)
	}
	return append(all, c.index())
}

// checkpointsIn returns the checkpoints that have an index, of sorted names. If a prefix
// has data files of several numbers of shards, those of a complete set count: the others
// are of a checkpoint that was here before.
func checkpointsIn(names []string) map[string]*checkpoint {
	found := map[string]*checkpoint{}
	for _, name := range names {
		if kindOf(name) == index {
			prefix := prefixOf(name)
			found[prefix] = &checkpoint{prefix: prefix}
		}
	}
	sets := map[string]map[int][]string{} // by prefix and number of shards
	for _, name := range names {
		prefix := prefixOf(name)
		c := found[prefix]
		if c == nil {
			continue
		}
		switch kindOf(name) {
		case data:
			shards, _ := strconv.Atoi(dataName.FindStringSubmatch(name)[3])
			if sets[prefix] == nil {
				sets[prefix] = map[int][]string{}
			}
			sets[prefix][shards] = append(sets[prefix][shards], name)
		case meta:
			c.meta = name
		}
	}
	for prefix, byShards := range sets {
		for _, shards := range slices.Sorted(maps.Keys(byShards)) {
			if c := found[prefix]; !c.hasAllData() {
				c.shards, c.data = shards, byShards[shards]
			}
		}
	}
	return found
}

// join returns a path below dir; "" is the folder itself.
func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// folderOf returns the folder of name, "" for the mirror's own.
func folderOf(name string) string {
	if dir := path.Dir(name); dir != "." {
		return dir
	}
	return ""
}
