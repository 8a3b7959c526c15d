package job

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"

	"tfos/internal/cluster"
	"tfos/internal/store"
)

// submission is the part of the plan that spark-submit is told.
func (s *Spec) submission(env Environment, l layout) Submission {
	conf, secrets := splitSecrets(s.settings(env, l))
	sub := Submission{
		Master: l.master.url, DeployMode: s.Spark.DeployMode, Name: s.Name,
		Conf: conf, Secrets: secrets,
		PyFiles:  []string{filepath.Join(env.Scratch, "tfos.zip")},
		App:      filepath.Join(env.Scratch, "app.py"),
		PlanFile: filepath.Join(env.Scratch, "plan.json"),
	}
	if len(secrets) > 0 {
		sub.Properties = filepath.Join(env.Scratch, "spark.properties")
	}
	if !l.master.where.place().withDriver {
		sub.Executors, sub.ExecutorCores, sub.HeapMiB = l.executors, l.executorCores, l.heapMiB
	}
	sub.MemberMiB = s.memberMemory().MiB()
	if s.InCluster() {
		sub.Files = append([]string{sub.PlanFile}, s.files(env.Scratch)...)
	}
	if s.shipsGPUScript(conf) {
		sub.GPUScript = filepath.Join(env.Scratch, gpuScriptName)
		sub.Files = append(sub.Files, sub.GPUScript)
	}
	sub.GPUs = s.sparkGPUs()
	return sub
}

// Cluster is what the cluster manager is found by. site are the settings of the site's
// spark-defaults.conf.
func (p *Plan) Cluster(site map[string]string, env func(string) string) cluster.Config {
	conf := maps.Clone(site)
	if conf == nil {
		conf = map[string]string{}
	}
	maps.Copy(conf, p.Submission.Conf)
	maps.Copy(conf, p.Submission.Secrets)
	return cluster.Config{Kind: cluster.Kind(p.Where), Master: p.Submission.Master, Conf: conf, Env: env}
}

// redaction is the setting by which Spark hides values in its web pages and logs.
const redaction = "spark.redaction.regex"

// splitSecrets takes the settings that look like secrets out of conf: a command line is for
// everybody on the machine to read. Spark's own pages hide them too, unless the user says
// what they hide.
func splitSecrets(conf map[string]string) (open, secrets map[string]string) {
	open, secrets = map[string]string{}, map[string]string{}
	parts := partsOfSecrets(conf)
	for name, value := range conf {
		if name != redaction && (secret(name) || secret(value) || store.HideSecrets(value) != value || parts[name]) {
			secrets[name] = value
		} else {
			open[name] = value
		}
	}
	if _, set := open[redaction]; !set && len(secrets) > 0 {
		open[redaction] = redactionOf(secrets)
	}
	return open, secrets
}

// redactionOf returns the pattern of what Spark hides. Names that do not look like secrets
// are in it one by one, as Spark's settings and as Hadoop's properties.
func redactionOf(secrets map[string]string) string {
	pattern := secretName.String()
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		if !secret(name) && !secret(secrets[name]) {
			pattern += "|^(" + regexp.QuoteMeta(hadoopPrefix) + ")?" + regexp.QuoteMeta(strings.TrimPrefix(name, hadoopPrefix)) + "$"
		}
	}
	return pattern
}

// hadoopPrefix begins the names of Spark settings that are Hadoop's properties.
const hadoopPrefix = "spark.hadoop."

// variable is one in a value of Hadoop's properties: ${vault.key}.
var variable = regexp.MustCompile(`\$\{([^}$]+)\}`)

// partsOfSecrets returns the settings, by their names, that values of secrets are made of,
// at any depth.
func partsOfSecrets(conf map[string]string) map[string]bool {
	parts := map[string]bool{}
	var add func(value string)
	add = func(value string) {
		for _, found := range variable.FindAllStringSubmatch(value, -1) {
			for _, name := range []string{hadoopPrefix + found[1], found[1]} {
				if of, set := conf[name]; set && !parts[name] {
					parts[name] = true
					add(of)
				}
			}
		}
	}
	for name, value := range conf {
		if secret(name) {
			add(value)
		}
	}
	return parts
}

// PropertiesFile is the content of the file of Submission.Properties. spark-submit reads it
// in the place of spark-defaults.conf, whose text it therefore begins with.
func (sub Submission) PropertiesFile(defaults string) string {
	var text strings.Builder
	text.WriteString(defaults)
	text.WriteString("\n")
	for _, name := range slices.Sorted(maps.Keys(sub.Secrets)) {
		text.WriteString(escapeProperty(name) + "=" + escapeProperty(sub.Secrets[name]) + "\n")
	}
	return text.String()
}

// escapeProperty writes a name or value as java.util.Properties reads it.
func escapeProperty(text string) string {
	var out strings.Builder
	for _, unit := range utf16.Encode([]rune(text)) {
		switch r := rune(unit); {
		case strings.ContainsRune(`\=:#! `, r) && r < 128:
			out.WriteString(`\` + string(r))
		case r < ' ' || r > '~':
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

// SparkSubmit is the command that runs the plan; submit is the path of
// spark-submit. In cluster mode the application finds its plan by base name.
func (p *Plan) SparkSubmit(submit string) []string {
	sub := p.Submission
	argv := []string{submit, "--master", sub.Master, "--deploy-mode", sub.DeployMode, "--name", sub.Name}
	for _, name := range slices.Sorted(maps.Keys(sub.Conf)) {
		argv = append(argv, "--conf", name+"="+sub.Conf[name])
	}
	if sub.Properties != "" {
		argv = append(argv, "--properties-file", sub.Properties)
	}
	plan := sub.PlanFile
	if len(sub.Files) > 0 {
		argv = append(argv, "--files", strings.Join(sub.Files, ","))
	}
	if slices.Contains(sub.Files, plan) {
		plan = filepath.Base(plan)
	}
	return append(argv, "--py-files", strings.Join(sub.PyFiles, ","), sub.App, plan)
}
