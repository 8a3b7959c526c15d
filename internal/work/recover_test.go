package work

import (
	"strings"
	"testing"

	"tfos/internal/store"
)

// TestRecoverLooks: what a run does about an output that is there.
func TestRecoverLooks(t *testing.T) {
	root := t.TempDir()
	stage(t, root+"/half/part-0")
	stage(t, root+"/whole/part-0")
	stage(t, root+"/whole/_SUCCESS")
	for _, c := range []struct {
		output Output
		there  bool
		says   string
	}{
		{Output{Final: root + "/none"}, false, ""},
		{Output{Final: root + "/none", Skip: true}, false, ""},
		{Output{Final: root + "/whole"}, false, "exists already and is unchanged"},
		{Output{Final: root + "/whole", Skip: true}, true, ""},
		{Output{Final: root + "/half", Skip: true}, false, "no _SUCCESS"},
		{Output{Final: root + "/half", Replace: true}, false, ""},
		{Output{Final: root + "/half/part-0/x"}, false, "cannot be looked at"},
	} {
		there, err := c.output.recover(t.Context(), store.Local{})
		if there != c.there || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %t, %v", c.output, there, err)
		}
	}
}
