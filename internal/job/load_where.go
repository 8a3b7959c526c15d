package job

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"

	"tfos/internal/cluster"
	"tfos/internal/gpu"
)

// Where is what a run's members run on. The table placeOf has all that it
// decides before the run but one thing: layout works out how many members have
// room. What its cluster manager is asked is in internal/cluster.
type Where string

const (
	ThisMachine  = Where(cluster.None)  // `local: true`: this machine, without Spark
	SparkLocal   = Where(cluster.Local) // threads of the Spark driver: local[n]
	LocalCluster = Where(cluster.LocalCluster)
	Standalone   = Where(cluster.Standalone)
	YARN         = Where(cluster.YARN)
	Kubernetes   = Where(cluster.Kubernetes)
	Mesos        = Where(cluster.Mesos)
)

// place is what a Where decides.
type place struct {
	// noSpark: tfos-node is the driver, and the only member is its child.
	noSpark bool
	// withDriver: members run on the driver's machine, in no executor of their
	// own. Nobody sizes executors then, and files are not shipped.
	withDriver bool
	// thisMachine: every process of the run is on the launcher's machine. Logs go
	// into the record, and temporary files into the scratch folder.
	thisMachine bool
	// filesHere: executors see the launcher's files under the same paths. On a
	// standalone cluster a path of a job file is one of the machine it lies on.
	// Elsewhere it may be HDFS's.
	filesHere bool
	// clusterMode: Spark takes a Python application in deploy mode cluster
	// (SparkSubmit.prepareSubmitEnvironment refuses the others).
	clusterMode bool
	// instances: the number of executors is a setting. Elsewhere spark.cores.max
	// bounds their cores.
	instances bool
	// address: executors are in a network of their own. Spark's choice among the addresses of
	// this machine, that of its name, may be one that they do not reach.
	address bool
	// followed: the launcher follows a run whose driver is in the cluster (internal/cluster).
	followed bool
	// runConf are the settings by which the manager knows the run, and by which spark-submit
	// ends once the manager has the application.
	runConf func(run, key string, inCluster bool) map[string]string
	// archivesConf is the setting for archives that executors unpack. "": there are no
	// executors of the run's own.
	archivesConf string
	// onceConf is the setting by which a driver in cluster mode runs only once.
	onceConf string
	// uploadConf is the setting without which Spark ships no files in cluster mode.
	uploadConf string
	// gpus says who gives members their GPUs.
	gpus gpu.Source
	// gpuScript is the discovery script of executors: Spark has them run it when they
	// start. "": they need none of tfos.
	gpuScript string
	// unenforced are the keys of a role that bound nothing, and why.
	unenforced []string
	why        string
}

// placeOf is the table. A Where that is not in it is a master that validate refuses.
var placeOf = map[Where]place{
	ThisMachine: {noSpark: true, withDriver: true, thisMachine: true, filesHere: true, gpus: gpu.Host,
		unenforced: []string{"memory"}, why: "is not enforced without Spark"},
	SparkLocal: {withDriver: true, thisMachine: true, filesHere: true, gpus: gpu.Host,
		unenforced: []string{"cores", "memory"}, why: "is not enforced on local[n]: members share the driver's machine"},
	// Each worker of a local-cluster would have all devices of the machine.
	LocalCluster: {thisMachine: true, filesHere: true, gpus: gpu.Host, archivesConf: sparkArchives,
		unenforced: []string{"memory"}, why: "is not enforced here: standalone masters count the JVM heap only"},
	Standalone: {filesHere: true, gpus: gpu.Spark, archivesConf: sparkArchives,
		unenforced: []string{"memory"}, why: "is not enforced here: standalone masters count the JVM heap only"},
	YARN: {clusterMode: true, followed: true, instances: true, runConf: yarnRun, onceConf: "spark.yarn.maxAppAttempts",
		archivesConf: "spark.yarn.dist.archives", gpus: gpu.Container, gpuScript: "./" + gpuScriptName},
	Kubernetes: {clusterMode: true, followed: true, archivesConf: sparkArchives, instances: true, address: true,
		runConf: kubernetesRun, uploadConf: "spark.kubernetes.file.upload.path",
		gpus: gpu.Container, gpuScript: "/opt/spark/examples/src/main/scripts/getGpusResources.sh"},
	Mesos: {clusterMode: true, archivesConf: sparkArchives},
}

// yarnRun tags the application: by tags its manager finds it.
func yarnRun(run, key string, inCluster bool) map[string]string {
	conf := map[string]string{cluster.YARNTags: "tfos," + key}
	if inCluster {
		conf["spark.yarn.submit.waitAppCompletion"] = "false"
		conf["spark.yarn.appMasterEnv.TFOS_RUN"] = run
	}
	return conf
}

// kubernetesRun labels the pods: by the label their manager finds them.
func kubernetesRun(run, key string, inCluster bool) map[string]string {
	conf := map[string]string{cluster.ExecutorLabel: key}
	if !inCluster {
		conf["spark.app.id"] = key // the label of what Spark makes for executors
	} else {
		conf["spark.kubernetes.driver.label.tfos-run"] = key
		conf["spark.kubernetes.driver.pod.name"] = key + "-driver" // a run does not start twice
		conf["spark.kubernetes.submission.waitAppCompletion"] = "false"
		conf["spark.kubernetes.driverEnv.TFOS_RUN"] = run
	}
	return conf
}

// runConf are the settings by which the manager of such a place knows a run with a key.
func (w Where) runConf(run, key string, inCluster bool) map[string]string {
	if known := w.place().runConf; known != nil {
		return known(run, key, inCluster)
	}
	return nil
}

func (w Where) place() place { return placeOf[w] }

// Spark tells whether spark-submit starts the run.
func (w Where) Spark() bool { return !w.place().noSpark }

// ThisMachine tells whether every process of the run is on the launcher's machine.
func (w Where) ThisMachine() bool { return w.place().thisMachine }

// NeedsAddress tells whether a driver on this machine has to be told which of its addresses
// executors reach.
func (w Where) NeedsAddress() bool { return w.place().address }

// sharedExecutor tells whether one Spark executor, the driver, holds all members.
func (w Where) sharedExecutor() bool { return w.Spark() && w.place().withDriver }

// MarshalJSON writes the value of plan.json's key `local`: whether members run on
// the driver's machine, in no executor of their own.
func (w Where) MarshalJSON() ([]byte, error) {
	return strconv.AppendBool(nil, w.place().withDriver), nil
}

// Where is the place that the job names. Without a spark.master it is a
// local-cluster.
func (s *Spec) Where() Where { return s.layout().master.where }

// deployMode is where Spark's driver is. Without Spark it is with the launcher.
func (s *Spec) deployMode() string {
	if s.InCluster() {
		return deployCluster
	}
	return "client"
}

// master is a parsed spark.master.
type master struct {
	url       string
	where     Where
	threads   int // SparkLocal: task slots, 0 for * (as many as the machine has cores)
	workers   int // LocalCluster
	cores     int // LocalCluster: of each worker
	memoryMiB int // LocalCluster: of each worker
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
		m.where = SparkLocal
		if g[1] == "*" {
			return m, true
		}
		m.threads = count(cmp.Or(g[1], "1"))
		return m, m.threads > 0
	}
	if g := localClusterURL.FindStringSubmatch(url); g != nil {
		m.where, m.workers, m.cores, m.memoryMiB = LocalCluster, count(g[1]), count(g[2]), count(g[3])
		return m, m.workers > 0 && m.cores > 0 && m.memoryMiB > 0
	}
	for prefix, where := range map[string]Where{"spark://": Standalone, "k8s://": Kubernetes, "mesos://": Mesos} {
		if strings.HasPrefix(url, prefix) && len(url) > len(prefix) {
			m.where = where
			return m, true
		}
	}
	m.where = YARN
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
func (m master) here() bool { return m.where.ThisMachine() || loopback.MatchString(m.url) }
