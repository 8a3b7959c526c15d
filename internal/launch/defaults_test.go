package launch

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
)

func TestFindDefaults(t *testing.T) {
	home, elsewhere := t.TempDir(), t.TempDir()
	write := func(dir, text string) {
		t.Helper()
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "spark-defaults.conf"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	none, err := FindDefaults(home, nil)
	if err != nil || none.Path != "" || len(none.Settings) != 0 {
		t.Errorf("no file: %+v, %v", none, err)
	}
	write(filepath.Join(home, "conf"), "# site\n  ! more\n\nspark.task.cpus  2\nspark.a=b=c\nspark.d : e \nspark.list one,\\\n   two\nspark.empty\nspark.last x")
	want := map[string]string{"spark.task.cpus": "2", "spark.a": "b=c", "spark.d": "e", "spark.list": "one,two", "spark.empty": "", "spark.last": "x"}
	got, err := FindDefaults(home, nil)
	if err != nil || !maps.Equal(got.Settings, want) || got.Path != filepath.Join(home, "conf", "spark-defaults.conf") {
		t.Errorf("%+v, %v, want %v", got, err, want)
	}
	write(elsewhere, "spark.x y\n")
	got, err = FindDefaults(home, Environ{"SPARK_CONF_DIR=" + elsewhere})
	if err != nil || !maps.Equal(got.Settings, map[string]string{"spark.x": "y"}) {
		t.Errorf("SPARK_CONF_DIR: %+v, %v", got, err)
	}
}
