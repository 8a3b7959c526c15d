package job

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// siteQuiet are settings that tfos sets and whose value of the site nobody
// misses: they concern what a person sees, or add to the site's.
var siteQuiet = []string{
	"spark.executor.defaultJavaOptions", "spark.local.dir", "spark.pyspark.driver.python", "spark.pyspark.python",
	"spark.ui.enabled", "spark.ui.showConsoleProgress",
}

// SiteWarnings says what becomes of the settings of the site's
// spark-defaults.conf: which of them tfos overrides, and which decide whether
// there are executors at all. Paths and values of the job file go before both.
func (s *Spec) SiteWarnings(p *Plan, path string, site map[string]string) []string {
	var overridden, decisive []string
	for _, name := range slices.Sorted(maps.Keys(site)) {
		value := site[name]
		ours, set := p.Submission.Conf[name]
		_, chosen := s.Spark.Conf[name]
		switch {
		case chosen || slices.Contains(siteQuiet, name):
		case set && !sameSetting(value, ours):
			overridden = append(overridden, fmt.Sprintf("%s=%s (there: %s)", name, ours, value))
		case !set && isResource(name) && !sameSetting(value, "0"):
			decisive = append(decisive, name+"="+value)
		}
	}
	var out []string
	if len(overridden) > 0 {
		out = append(out, fmt.Sprintf("%s: this job runs with %s: write what it shall have into spark.conf of the job file",
			path, strings.Join(overridden, ", ")))
	}
	if len(decisive) > 0 {
		out = append(out, fmt.Sprintf("%s: %s: executors and tasks come only where there is such a resource: write 0 into spark.conf of the job file to do without",
			path, strings.Join(decisive, ", ")))
	}
	return out
}

// isResource tells whether a setting asks for a resource of executors or tasks,
// as spark.executor.resource.gpu.amount.
func isResource(name string) bool {
	return strings.HasSuffix(name, ".amount") &&
		(strings.HasPrefix(name, "spark.executor.resource.") || strings.HasPrefix(name, "spark.task.resource."))
}
