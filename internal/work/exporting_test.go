package work

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"tfos/internal/exit"
	"tfos/internal/reserve"
)

func exportWork(t *testing.T) (exporting, Output) {
	t.Helper()
	root := t.TempDir()
	o := Output{Kind: KindSavedModel, Staging: root + "/tfos-r1.out", Final: root + "/out"}
	cfg := Config{Config: reserve.Config{Run: "r1", Members: []reserve.MemberConfig{{Job: "worker", Required: true}}},
		Outputs: []Output{o}, Export: json.RawMessage(`{"output":"x"}`)}
	stage(t, o.Staging+"/saved_model.pb")
	return exporting{cfg}, o
}

// The member gets the request, its result is in the verdict, and the export has its name.
func TestExporting(t *testing.T) {
	w, o := exportWork(t)
	config, err := json.Marshal(w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if opened, err := Open(config); err != nil {
		t.Error(err)
	} else if _, ok := opened.(exporting); !ok {
		t.Errorf("opened as %T", opened)
	}
	shares, _ := w.ShareOut(t.Context())
	if got := string(shares.Members[reserve.Place{Job: "worker"}]); got != `{"output":"x"}` {
		t.Errorf("share %q", got)
	}
	v, err := w.Finish(t.Context(), reserve.Verdict{}, reserve.Made{Results: [][]byte{[]byte(`{"files":1}`)}})
	if err != nil || v.Code != exit.Done || string(v.Export) != `{"files":1}` || len(v.Artifacts) != 1 || v.Artifacts[0].Path != o.Final {
		t.Errorf("%+v, %v", v, err)
	}
	if !exists(o.Final + "/saved_model.pb") {
		t.Error("it was not published")
	}
}

// A run that fails, says nothing, or finds its name taken leaves no half of an export.
func TestExportingFails(t *testing.T) {
	good := reserve.Made{Results: [][]byte{[]byte(`{}`)}}
	for name, c := range map[string]struct {
		v     reserve.Verdict
		made  reserve.Made
		taken bool
		code  exit.Code
		cause string
	}{
		"failed":        {reserve.Verdict{Code: exit.Failed, Cause: "it"}, reserve.Made{}, false, exit.Failed, "it"},
		"no result":     {reserve.Verdict{}, reserve.Made{}, false, exit.Output, "has not said what it exported"},
		"name is taken": {reserve.Verdict{}, good, true, exit.Output, "exists already"},
	} {
		t.Run(name, func(t *testing.T) {
			w, o := exportWork(t)
			if c.taken {
				stage(t, o.Final+"/mine")
			}
			v, err := w.Finish(t.Context(), c.v, c.made)
			if err != nil || v.Code != c.code || !strings.Contains(v.Cause, c.cause) || len(v.Kept) > 0 {
				t.Errorf("%+v, %v", v, err)
			}
			if left, _ := filepath.Glob(o.Staging + "*"); len(left) > 0 || exists(o.Final) != c.taken {
				t.Errorf("left %v", left)
			}
		})
	}
}
