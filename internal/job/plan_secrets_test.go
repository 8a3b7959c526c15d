package job

import (
	"bytes"
	"strings"
	"testing"

	"tfos/internal/hadoop"
)

// TestSecretsAreInTheFileAlone: a command line is for everybody on the machine to read.
func TestSecretsAreInTheFileAlone(t *testing.T) {
	const hidden = `p=l:a n#t!\ed ünd "x"`
	secrets := map[string]string{
		"spark.hadoop.fs.s3a.secret.key":                                 hidden,
		"spark.hadoop.fs.s3a.bucket.b.access.key":                        hidden,
		"spark.hadoop.fs.azure.account.key.a.dfs.core.windows.net":       hidden,
		"spark.hadoop.fs.azure.sas.fixed.token.a.dfs.core.windows.net":   hidden,
		"spark.hadoop.fs.gs.auth.service.account.private.key":            hidden,
		"spark.hadoop.fs.s3a.bucket.c.secret.key":                        "${vault.first}-${vault.second}",
		"spark.hadoop.vault.first":                                       "planted" + hidden,
		"spark.hadoop.vault.second":                                      "${vault.third}",
		"spark.hadoop.vault.third":                                       "deep" + hidden,
		"spark.ssl.keyPassword":                                          hidden,
		"spark.hadoop.dfs.client.proxy":                                  "http://user:" + "pw0@host/",
		"spark.hadoop.hadoop.security.credential.clear-text-fallback.pw": "my password",
	}
	s := spec(t, Train, trainBase, "spark.master=yarn", "spark.conf.spark.hadoop.fs.s3a.endpoint=http://h")
	for name, value := range secrets {
		s.Spark.Conf[name] = value
	}
	p, err := MakePlan(s, Environment{RunID: "r", Scratch: "/s", Record: "/r"})
	if err != nil {
		t.Fatal(err)
	}
	var shown bytes.Buffer
	if err := p.Explain(&shown); err != nil {
		t.Fatal(err)
	}
	plan, err := p.JSON()
	if err != nil {
		t.Fatal(err)
	}
	argv := strings.Join(p.SparkSubmit("spark-submit"), "\n")
	for what, text := range map[string]string{"the command": argv, "the plan": string(plan), "the dry run": shown.String()} {
		for _, value := range secrets {
			if strings.Contains(text, value) {
				t.Errorf("%s has %q:\n%s", what, value, text)
			}
		}
	}
	for _, want := range []string{"--properties-file\n/s/spark.properties", "spark.hadoop.fs.s3a.endpoint=http://h", "spark.redaction.regex=", `|^(spark\.hadoop\.)?vault\.third$`, `|^(spark\.hadoop\.)?dfs\.client\.proxy$`} {
		if !strings.Contains(argv, want) {
			t.Errorf("the command has no %q:\n%s", want, argv)
		}
	}
	file := p.Submission.PropertiesFile("spark.ui.port 4141")
	got := hadoop.ParseProperties(file)
	if got["spark.ui.port"] != "4141" {
		t.Errorf("the file has lost spark-defaults.conf:\n%s", file)
	}
	for name, value := range secrets {
		if got[name] != value {
			t.Errorf("%s is %q in the file, want %q:\n%s", name, got[name], value, file)
		}
	}
}

func TestNoFileWithoutSecrets(t *testing.T) {
	p, err := MakePlan(spec(t, Train, trainBase, "spark.master=yarn"), Environment{RunID: "r", Scratch: "/s", Record: "/r"})
	if err != nil {
		t.Fatal(err)
	}
	if argv := strings.Join(p.SparkSubmit("spark-submit"), " "); strings.Contains(argv, "--properties-file") || strings.Contains(argv, redaction) {
		t.Errorf("the command has more than it needs: %s", argv)
	}
}
