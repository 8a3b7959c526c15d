package store

import (
	"testing"
)

// TestStrangeKeys: what other programs put into buckets beside data is no data: markers of
// folders of each kind, and empty names. Names with characters that URLs escape are data.
func TestStrangeKeys(t *testing.T) {
	t.Parallel()
	for _, server := range []struct {
		root    string
		address func(testing.TB) string
	}{{s3Root, s3Server}, {gcsRoot, gcsServer}, {azureRoot, azureServer}} {
		t.Run(server.root[:2], func(t *testing.T) {
			t.Parallel()
			s := openBucket(t, server.root, server.address(t))
			folder := newFolder(s, server.root)(t)
			files := []string{
				"dt=2026-01-01/a b+c%20d%e&f#g;h:i,j@k$l~'.csv", "dt=2026-01-01/ünï-日本.csv", "_p=1/x.csv", "full_$folder$",
			}
			for _, name := range files {
				write(t, s, folder+"/"+name, "x")
			}
			for _, name := range []string{"dt=2026-01-01_$folder$", "dt=2026-01-01/_SUCCESS", "_committed_1", ".part-0.csv.crc", "_delta_log/0.json", "empty_$folder$"} {
				write(t, s, folder+"/"+name, "")
			}
			if err := s.Mkdir(t.Context(), folder+"/empty"); err != nil {
				t.Fatal(err)
			}
			for _, pattern := range []string{"", "/", "/*", "/**", "/{*,_p=*}"} {
				listed, err := s.List(t.Context(), folder+pattern)
				found := map[string]bool{}
				for _, one := range listed {
					found[one.Path] = true
				}
				for _, name := range files {
					if !found[folder+"/"+name] && (pattern == "" || pattern == "/" || name != "_p=1/x.csv") {
						t.Errorf("%q: %s is not found", pattern, name)
					}
				}
				if err != nil || len(found) > len(files) {
					t.Errorf("%q: %v, %v", pattern, listed, err)
				}
			}
			for _, name := range files {
				if got := content(t, s, folder+"/"+name); got != "x" {
					t.Errorf("%s: %q", name, got)
				}
				if found, err := s.List(t.Context(), folder+"/"+name); err != nil || len(found) != 1 {
					t.Errorf("%s: %v, %v", name, found, err)
				}
			}
		})
	}
}
