package job

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
)

// scheduler is what a master URL stands for.
type scheduler string

const (
	local        scheduler = "local"         // threads of the driver
	localCluster scheduler = "local-cluster" // executor processes of the driver
	standalone   scheduler = "standalone"
	yarn         scheduler = "yarn"
	kubernetes   scheduler = "k8s"
	mesos        scheduler = "mesos"
	noSpark      scheduler = "none" // this machine runs the job by itself
)

// master is a parsed spark.master.
type master struct {
	url       string
	scheduler scheduler
	threads   int // local: task slots, 0 for * (as many as the machine has cores)
	workers   int // local-cluster
	cores     int // local-cluster: of each worker
	memoryMiB int // local-cluster: of each worker
}

var (
	localURL        = regexp.MustCompile(`^local(?:\[\s*([0-9]+|\*)\s*(?:,\s*([0-9]+)\s*)?\])?$`)
	localClusterURL = regexp.MustCompile(`^local-cluster\[\s*([0-9]+)\s*,\s*([0-9]+)\s*,\s*([0-9]+)\s*\]$`)
	loopback        = regexp.MustCompile(`^spark://(localhost|127\.[0-9.]+|\[::1\]):[0-9]+$`)
)

// parseMaster reads a master URL as Spark's SparkContext.createTaskScheduler does.
func parseMaster(url string) (master, bool) {
	m := master{url: url}
	if g := localURL.FindStringSubmatch(url); g != nil {
		m.scheduler = local
		if g[1] == "*" {
			return m, true
		}
		m.threads = count(cmp.Or(g[1], "1"))
		return m, m.threads > 0
	}
	if g := localClusterURL.FindStringSubmatch(url); g != nil {
		m.scheduler, m.workers, m.cores, m.memoryMiB = localCluster, count(g[1]), count(g[2]), count(g[3])
		return m, m.workers > 0 && m.cores > 0 && m.memoryMiB > 0
	}
	for prefix, s := range map[string]scheduler{"spark://": standalone, "k8s://": kubernetes, "mesos://": mesos} {
		if strings.HasPrefix(url, prefix) && len(url) > len(prefix) {
			m.scheduler = s
			return m, true
		}
	}
	m.scheduler = yarn
	return m, url == "yarn"
}

// count reads digits; 0 for what no machine has.
func count(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil || n > 1<<30 {
		return 0
	}
	return n
}

// here tells whether executors run on the launcher's machine for certain.
func (m master) here() bool {
	return m.scheduler == noSpark || m.scheduler == local || m.scheduler == localCluster || loopback.MatchString(m.url)
}

// pythonCluster tells whether Spark takes a Python application in cluster mode
// (SparkSubmit.prepareSubmitEnvironment refuses the others).
func (m master) pythonCluster() bool {
	return m.scheduler == yarn || m.scheduler == kubernetes || m.scheduler == mesos
}
