package proc

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// MemoryGroup is the control group that bounds the memory of this process. The zero
// MemoryGroup is that of a process without one.
type MemoryGroup struct {
	events string // the file that counts kills
	limit  string // the file with the limit in bytes
}

// OwnMemoryGroup finds the group of this process: of cgroups(7) version 1 or 2. A
// container may show its own group as the root, under another path than
// /proc/self/cgroup has.
func OwnMemoryGroup() MemoryGroup {
	groups, _ := os.ReadFile("/proc/self/cgroup") // without it, the roots are left
	return findMemoryGroup("/sys/fs/cgroup", string(groups))
}

func findMemoryGroup(root, groups string) MemoryGroup {
	paths := map[string]string{} // by controller; "": version 2
	for line := range strings.Lines(groups) {
		if parts := strings.SplitN(strings.TrimSpace(line), ":", 3); len(parts) == 3 {
			for controller := range strings.SplitSeq(parts[1], ",") {
				paths[controller] = parts[2]
			}
		}
	}
	for _, kind := range []struct{ root, path, events, limit string }{
		{filepath.Join(root, "memory"), paths["memory"], "memory.oom_control", "memory.limit_in_bytes"},
		{root, paths[""], "memory.events", "memory.max"},
	} {
		for _, folder := range []string{filepath.Join(kind.root, kind.path), kind.root} {
			events := filepath.Join(folder, kind.events)
			if _, err := os.Stat(events); err == nil {
				return MemoryGroup{events, filepath.Join(folder, kind.limit)}
			}
		}
	}
	return MemoryGroup{}
}

// OOMKills returns how many processes of the group the kernel has killed because memory
// ran out. 0: none, or not known.
func (g MemoryGroup) OOMKills() int64 {
	text, _ := os.ReadFile(g.events)
	for line := range strings.Lines(string(text)) {
		if count, ok := strings.CutPrefix(line, "oom_kill "); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(count), 10, 64)
			return n
		}
	}
	return 0
}

// noLimit is about the value by which version 1 says that there is no limit.
const noLimit = 1 << 60

// Limit returns the memory in bytes that the group may use. 0: no limit, or not known.
func (g MemoryGroup) Limit() int64 {
	text, _ := os.ReadFile(g.limit)
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64) // "max" of version 2
	if err != nil || n >= noLimit {
		return 0
	}
	return n
}
