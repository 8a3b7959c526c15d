package proc

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMemoryGroup(t *testing.T) {
	write := func(t *testing.T, files map[string]string) string {
		root := t.TempDir()
		for name, text := range files {
			path := filepath.Join(root, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return root
	}
	v1 := "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"
	v2 := "low 0\nhigh 0\nmax 12\noom 2\noom_kill 2\noom_group_kill 1\n"
	for _, test := range []struct {
		name, groups string
		files        map[string]string
		kills, limit int64
	}{
		{"version 1", "4:cpu,cpuacct:/x\n3:memory:/pods/a\n0::/\n", map[string]string{
			"memory/memory.oom_control": "oom_kill 9\n", "memory/memory.limit_in_bytes": "1\n",
			"memory/pods/a/memory.oom_control": v1, "memory/pods/a/memory.limit_in_bytes": "2147483648\n"}, 3, 2 << 30},
		{"version 1 in a container that shows its own group as the root", "3:memory:/pods/a\n", map[string]string{
			"memory/memory.oom_control": v1, "memory/memory.limit_in_bytes": "2147483648\n"}, 3, 2 << 30},
		{"version 1 without a limit", "3:memory:/\n", map[string]string{
			"memory/memory.oom_control": v1, "memory/memory.limit_in_bytes": "9223372036854771712\n"}, 3, 0},
		{"version 2", "0::/pods/a\n", map[string]string{"pods/a/memory.events": v2, "pods/a/memory.max": "1048576\n"}, 2, 1 << 20},
		{"version 2 in a container", "0::/\n", map[string]string{"memory.events": v2, "memory.max": "max\n"}, 2, 0},
		{"version 2, the host's root", "0::/\n", nil, 0, 0},
		{"no cgroups", "", nil, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := findMemoryGroup(write(t, test.files), test.groups)
			if kills, limit := g.OOMKills(), g.Limit(); kills != test.kills || limit != test.limit {
				t.Errorf("%d kills, limit %d; want %d, %d", kills, limit, test.kills, test.limit)
			}
		})
	}
}
