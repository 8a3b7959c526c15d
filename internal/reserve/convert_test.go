package reserve

import (
	"reflect"
	"testing"
	"time"
)

// TestRenewalOnTheWire: every field of a renewal arrives as it was sent.
func TestRenewalOnTheWire(t *testing.T) {
	sent := Renewal{
		Phase: "running", LogBytes: 1, Splits: 2, SplitRows: 3, SplitBytes: 4, Uploading: true,
		Feeds:    []FeedCount{{Feed: "train", Epoch: 1, Epochs: 1, Received: 2}},
		Notes:    []Note{{NoteWarning, "slow"}},
		Paces:    []Pace{{Feed: "train", Rows: 7, Seconds: 1.5, Waited: 0.5, Steps: map[int]int64{3: 4}}},
		Usage:    Usage{CPU: time.Second, GPU: 2 * time.Second, Written: 5, Stuck: "process 7"},
		GPUs:     []GPU{{"GPU 0", 80, 62.5, 100, 200, 300}, {"GPU 1", -1, -1, -1, -1, -1}},
		Training: &Training{Step: 1, Steps: 2, Loss: 0.5, StepsPerSecond: 3},
		Mirrored: &Mirrored{URL: "s3://b/m", Stored: "a", Local: "b", Files: 1, Bytes: 2, Seconds: 3, AllFiles: 4, AllBytes: 5, Brought: "c", Error: "d"},
	}
	for i, v := 0, reflect.ValueOf(sent); i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Errorf("the test lacks %s", v.Type().Field(i).Name)
		}
	}
	got, sequence := renewFromPB(renewToPB(sent, 9).GetRenew())
	if !reflect.DeepEqual(got, sent) || sequence != 9 {
		t.Errorf("%+v, %d", got, sequence)
	}
}
