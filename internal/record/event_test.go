package record

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tfos/internal/exit"
)

// events has one of every event, with no field empty.
var events = []struct {
	event Event
	line  string
}{
	{Driver{PID: 7}, `{"event":"driver","pid":7}`},
	{Context{"app-1", "local[2]", "3.5.9", "http://h:4040", "http://h:8080"},
		`{"event":"context","application":"app-1","master":"local[2]","spark_version":"3.5.9","tracking_url":"http://h:4040","manager_url":"http://h:8080"}`},
	{Waiting{[]string{"worker:1"}, 1, 2, 1.5}, `{"event":"waiting","missing":["worker:1"],"registered":1,"members":2,"seconds":1.5}`},
	{Queued{"q", "q is full"}, `{"event":"queued","queue":"q","words":"q is full"}`},
	{Formed{[]Place{{"worker", 1, "h"}}, 2}, `{"event":"formed","members":[{"job":"worker","index":1,"host":"h"}],"seconds":2}`},
	{Progress{[]FeedRows{{"worker:0", "train", 1, 2, 3, 4, 5, 6}}, []MemberPhase{{"worker:0", "running"}}, 1, 2, 3, 4, 5, &Training{6, 7, 0.5, 8}, []MemberMirror{{Member: "worker:0", Checkpoint: "ckpt-1"}},
		[]MemberGPU{{"worker:0", "h", "GPU 0", 90, 80.5, 100, 200, 300}}},
		`{"event":"progress","feeds":[{"member":"worker:0","feed":"train","epoch":1,"epochs":2,"received":3,"trained":4,"dropped":5,"quarantined":6}],` +
			`"members":[{"member":"worker:0","phase":"running"}],"splits":1,"rows":2,"bytes":3,"all_splits":4,"all_bytes":5,"training":{"step":6,"steps":7,"loss":0.5,"steps_per_s":8},` +
			`"mirrored":[{"member":"worker:0","host":"","url":"","checkpoint":"ckpt-1","newest":"","files":0,"bytes":0,"seconds":0,"uploaded_files":0,"uploaded_bytes":0}],` +
			`"gpus":[{"member":"worker:0","host":"h","device":"GPU 0","busy_percent":90,"mean_busy_percent":80.5,"memory_mib":100,"highest_memory_mib":200,"total_memory_mib":300}]}`},
	{Resumed{"m/ckpt-4", 4, 1, 2, 3}, `{"event":"resumed","checkpoint":"m/ckpt-4","step":4,"splits":1,"rows":2,"missing":3}`},
	{TensorBoard{"http://h:6006"}, `{"event":"tensorboard","url":"http://h:6006"}`},
	{Contract{"a\nb"}, `{"event":"contract","table":"a\nb"}`},
	{Warning{"slow"}, `{"event":"warning","message":"slow"}`},
	{Verdict{Code: exit.Failed, Stderr: []string{"x"}, Feeds: []FeedRows{}, Artifacts: []Artifact{{"model", "/m"}}, Throughput: &Throughput{Members: []MemberThroughput{}}, Infer: json.RawMessage(`{"rows":1}`)},
		`{"event":"verdict","code":5,"cause":"","phase":"","member":"","host":"","exit_code":0,"signal":0,"stderr":["x"],"log_path":"","retryable":false,` +
			`"rows":{"read":0,"trained":0,"dropped":0,"quarantined":0},"feeds":[],"artifacts":[{"kind":"model","path":"/m"}],` +
			`"throughput":{"rows_per_s":0,"seconds":0,"step_p50_ms":0,"step_p99_ms":0,"feed_wait_percent":0,"members":[]},"infer":{"rows":1}}`},
}

func TestEvents(t *testing.T) {
	seen := map[string]bool{}
	for _, tt := range events {
		name := tt.event.EventName()
		seen[name] = true
		line, err := Encode(tt.event)
		if err != nil || string(line) != tt.line {
			t.Errorf("%s: %v\n%s\nwant\n%s", name, err, line, tt.line)
		}
		back, err := Parse([]byte(strings.TrimSuffix(tt.line, "}") + `,"later":[1]}`))
		if err != nil || !reflect.DeepEqual(back, tt.event) {
			t.Errorf("%s: read %+v, %v; want %+v", name, back, err, tt.event)
		}
	}
	for name := range parsers {
		if !seen[name] {
			t.Errorf("event %s is not tested", name)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	if e, err := Parse([]byte(`{"event":"of a newer driver"}`)); e != nil || err != nil {
		t.Errorf("an unknown event: %v, %v", e, err)
	}
	for _, line := range []string{`{}`, `x`, `{"event":"verdict"}`, `{"event":"driver","pid":"x"}`} {
		if e, err := Parse([]byte(line)); err == nil {
			t.Errorf("%s: no error, %v", line, e)
		}
	}
}

// The launcher's verdict has every list, and the fields that only it knows.
func TestVerdictOfLauncher(t *testing.T) {
	line, err := json.Marshal(Verdict{Run: "r"})
	want := `{"code":0,"cause":"","phase":"","member":"","host":"","exit_code":0,"signal":0,"stderr":[],"log_path":"","retryable":false,"run":"r",` +
		`"rows":{"read":0,"trained":0,"dropped":0,"quarantined":0},"feeds":[],"throughput":null,"artifacts":[],"seconds":{},"record":""}`
	if err != nil || string(line) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, line, want)
	}
}

func keys(v any) []string {
	data, _ := json.Marshal(v)
	var object map[string]json.RawMessage
	_ = json.Unmarshal(data, &object)
	delete(object, "event")
	return slices.Sorted(maps.Keys(object))
}

// The table of docs/protocols.md section 2 has the events and their keys.
func TestProtocolNamesEvents(t *testing.T) {
	text, err := os.ReadFile("../../docs/protocols.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## 2. ")
	section, _, _ = strings.Cut(section, "\n## 3. ")
	documented := map[string][]string{}
	for _, row := range strings.Split(section, "\n") {
		if cell, found := strings.CutPrefix(row, "| `"); found {
			cell, _, _ = strings.Cut(cell, "|")
			for _, m := range regexp.MustCompile("(\\w+) \\{(.*?)\\}(?:`|, )").FindAllStringSubmatch(cell, -1) {
				inner := regexp.MustCompile(`: \[[^\]]*\]`).ReplaceAllString(m[2], "")
				fields := strings.Split(inner, ", ")
				slices.Sort(fields)
				documented[m[1]] = fields
			}
		}
	}
	for _, tt := range events {
		name := tt.event.EventName()
		fields, found := documented[name]
		switch {
		case !found:
			t.Errorf("event %s is not in the table", name)
		case name != "verdict" && !slices.Equal(fields, keys(tt.event)):
			t.Errorf("event %s has keys %v, documented %v", name, keys(tt.event), fields)
		}
		delete(documented, name)
	}
	if len(documented) > 0 {
		t.Errorf("the table has events that no driver has: %v", documented)
	}
}

// Events that the Python driver writes itself have the keys of their types.
func TestPythonDriverWritesEvents(t *testing.T) {
	var source []byte
	for _, file := range []string{"driver.py", "start.py"} {
		text, err := os.ReadFile(filepath.Join("../../scripts/tfos", file))
		if err != nil {
			t.Fatal(err)
		}
		source = append(source, text...)
	}
	found := regexp.MustCompile(`\{\s*"event": "(\w+)",((?:[^{}])*)\}`).FindAllStringSubmatch(string(source), -1)
	if len(found) < 5 {
		t.Fatalf("the driver has %d events, want 5 or more", len(found))
	}
	for _, m := range found {
		var written []string
		for _, key := range regexp.MustCompile(`"(\w+)":`).FindAllStringSubmatch(m[2], -1) {
			written = append(written, key[1])
		}
		slices.Sort(written)
		at := slices.IndexFunc(events, func(e struct {
			event Event
			line  string
		}) bool {
			return e.event.EventName() == m[1]
		})
		if at < 0 {
			t.Errorf("the driver writes event %s, which no launcher knows", m[1])
			continue
		}
		known := keys(events[at].event)
		for _, key := range written {
			if !slices.Contains(known, key) {
				t.Errorf("the driver writes %s of event %s, which no launcher knows", key, m[1])
			}
		}
		if m[1] != "verdict" && len(written) != len(known) {
			t.Errorf("the driver writes event %s with %v, want %v", m[1], written, known)
		}
	}
}
