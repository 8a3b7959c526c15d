package mirror

import (
	"cmp"
	"maps"
	"slices"
)

// wanted returns the files that come down as they are.
func (m *Mirror) wanted(found listing) []string {
	exports := map[string]bool{}
	newest := map[string]string{} // of a series of weights
	for name := range found {
		switch kindOf(name) {
		case savedModel:
			exports[folderOf(name)] = true
		case weights:
			if old, ok := newest[family(name)]; !ok || newer(found, name, old) {
				newest[family(name)] = name
			}
		}
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(found)) {
		switch kindOf(name) {
		case ordinary:
		case weights:
			if newest[family(name)] != name {
				continue
			}
		case meta:
			if _, there := found[prefixOf(name)+".index"]; there {
				continue
			}
		default:
			continue
		}
		if !inExport(name, exports) {
			out = append(out, name)
		}
	}
	return out
}

// newer reports whether a is the newer one of two files.
func newer(found listing, a, b string) bool {
	if d := found[a].modified.Compare(found[b].modified); d != 0 {
		return d > 0
	}
	return a > b
}

func inExport(name string, exports map[string]bool) bool {
	for dir := folderOf(name); ; dir = folderOf(dir) {
		if exports[dir] {
			return true
		}
		if dir == "" {
			return false
		}
	}
}

// othersEvents returns the event files that this member has not written.
func (m *Mirror) othersEvents(found listing) []string {
	var out []string
	for name := range found {
		if kindOf(name) == events && !m.known[name].owned {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// series returns the checkpoints of a folder that may come down, by series: names that
// differ in numbers alone. In each the one to prefer is first: those that the state file
// names, and then those with the highest step, or the newest. The state file's series is
// the first. While the program runs, only those are returned that are newer than the
// newest one here.
func (m *Mirror) series(dir string, text stateFile, all map[string]*checkpoint, found listing) [][]string {
	var order []string
	add := func(prefix string) {
		if c := all[prefix]; c != nil && c.hasAllData() && !slices.Contains(order, prefix) {
			order = append(order, prefix)
		}
	}
	if text.newest != "" {
		add(join(dir, text.newest))
		for _, name := range slices.Backward(text.all) {
			add(join(dir, name))
		}
	}
	named := len(order)
	for prefix := range all {
		if folderOf(prefix) == dir {
			add(prefix)
		}
	}
	slices.SortFunc(order[named:], func(a, b string) int {
		if d := cmp.Compare(stepOf(b), stepOf(a)); d != 0 {
			return d
		}
		if newer(found, a+".index", b+".index") {
			return -1
		}
		return 1
	})
	var out [][]string
	at := map[string]int{} // of a family in out
	for i, prefix := range order {
		f := family(prefix)
		if i < named {
			f = "" // whatever the state file names is one series
		} else if named > 0 && f == family(order[0]) {
			f = ""
		}
		if _, known := at[f]; !known {
			at[f] = len(out)
			out = append(out, nil)
		}
		out[at[f]] = append(out[at[f]], prefix)
	}
	if m.Mode == Follow {
		for i := range out {
			out[i] = m.untilHere(out[i], i == 0 && m.states[dir].newest != "")
		}
	}
	return out
}

// untilHere returns the first checkpoints of a series, up to one that is here. If none is
// here, it returns the first, or all if the series is followed already.
func (m *Mirror) untilHere(series []string, followed bool) []string {
	for i, prefix := range series {
		if m.isHere(prefix + ".index") {
			return series[:i+1]
		}
	}
	if followed {
		return series
	}
	return series[:1]
}
