package reserve

import (
	"reflect"
	"testing"
)

// The driver's line as scripts/tfos/driver.py writes it.
func TestExecutorDiedIsRead(t *testing.T) {
	line := `{"cmd":"executor_died","executor":"1","host":"h","reason":"no Java","exit_code":127,"stderr":["a","b"],"log_path":"/l","living":3}`
	got, _, err := parseCommand([]byte(line))
	want := ExecutorDied{Executor: "1", Host: "h", Reason: "no Java", ExitCode: 127, Stderr: []string{"a", "b"}, LogPath: "/l", Living: 3}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}
