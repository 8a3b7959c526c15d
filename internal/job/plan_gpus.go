package job

import (
	_ "embed"
	"strconv"

	"tfos/internal/gpu"
)

// GPUScript is the discovery script that goes with a job to YARN: executors run it when they
// start, and print their GPUs as Spark reads them.
//
//go:embed gpus.sh
var GPUScript []byte

// gpuScriptName is its file name, here and on executors.
const gpuScriptName = "tfos-gpus.sh"

// Settings of Spark for GPUs of executors. spark.task.resource.gpu.amount is not set: feed
// tasks need no GPU, and members ask for theirs by a profile.
const (
	executorGPUs     = "spark.executor.resource.gpu.amount"
	taskGPUs         = "spark.task.resource.gpu.amount"
	executorScript   = "spark.executor.resource.gpu.discoveryScript"
	executorGPUMaker = "spark.executor.resource.gpu.vendor"
)

// sparkGPUs is how many GPUs Spark gives each executor, and each member's task.
func (s *Spec) sparkGPUs() int {
	switch s.Where().place().gpus {
	case gpu.Spark, gpu.Container:
		return s.memberGPUs()
	}
	return 0
}

// gpuConf is what tfos sets for GPUs unless the user does.
func (s *Spec) gpuConf() map[string]string {
	conf := map[string]string{}
	if s.sparkGPUs() == 0 {
		return conf
	}
	if script := s.Where().place().gpuScript; script != "" {
		conf[executorScript] = script
		conf[executorGPUMaker] = "nvidia.com" // Kubernetes names the resource by it
	}
	return conf
}

// ownGPUConf is what tfos sets for GPUs, whatever the user says.
func (s *Spec) ownGPUConf() map[string]string {
	if n := s.sparkGPUs(); n > 0 {
		return map[string]string{executorGPUs: strconv.Itoa(n)}
	}
	return nil
}

// shipsGPUScript tells whether executors find tfos's discovery script in their folder. Only
// YARN puts files there before executors start.
func (s *Spec) shipsGPUScript(conf map[string]string) bool {
	return s.sparkGPUs() > 0 && conf[executorScript] == "./"+gpuScriptName
}
