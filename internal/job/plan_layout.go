package job

import (
	"fmt"
	"strings"

	"tfos/internal/exit"
)

// heapMiB is the JVM heap of an executor, unless spark.executor.memory says
// otherwise: it schedules and moves Arrow batches, tensors are elsewhere.
const heapMiB = 1024

// besideMiB is what an executor needs beside its heap and its member: the JVM's
// own memory (384, Spark's least), a feed task's Python and a member's queue.
const besideMiB = 384 + 256 + 128

// layout is how members lie on executors.
type layout struct {
	master        master
	executors     int
	executorCores int // 0 for local[n]
	taskCPUs      int // of a member's Spark task
	heapMiB       int64
	slots         int // members that fit; -1: not known here
}

// layout sizes the executors. Every executor holds one member and, when Spark's
// tasks feed it or have it predict, has a core more for such a task. With task cpus above half of an
// executor's cores Spark cannot put two members on one executor; with one core
// per member that takes 3 cores with 2 task cpus, which costs nothing on a
// local-cluster (its cores are only numbers) and is not asked of real clusters:
// there spark.cores.max and the wait for all executors have to do, and the
// reservation server checks.
func (s *Spec) layout() layout {
	if s.Local || s.kind == Export {
		return layout{master: master{where: ThisMachine}, executors: 1, taskCPUs: 1, slots: -1}
	}
	members := s.size()
	l := layout{executors: members, taskCPUs: s.memberCores(), heapMiB: s.heapMiB(), slots: -1}
	l.executorCores = l.taskCPUs
	if s.sparkTasks() {
		l.executorCores++
	}
	m, ok := parseMaster(s.Spark.Master)
	tight := l.taskCPUs*2 <= l.executorCores
	if tight && (s.Spark.Master == "" || m.where == LocalCluster && m.cores >= 3) {
		l.executorCores, l.taskCPUs = 3, 2
	}
	if s.Spark.Master == "" {
		m = master{where: LocalCluster, workers: members, cores: l.executorCores, memoryMiB: int(l.heapMiB)}
		m.url = fmt.Sprintf("local-cluster[%d,%d,%d]", m.workers, m.cores, m.memoryMiB)
	} else if !ok {
		return l
	}
	l.master = m
	switch m.where {
	case SparkLocal:
		l.executorCores, l.taskCPUs = 0, 1
		if m.threads > 0 {
			l.slots = max(0, m.threads-one(s.sparkTasks()))
		}
	case LocalCluster:
		l.slots = m.workers * min(m.cores/l.executorCores, m.memoryMiB/int(l.heapMiB))
	}
	return l
}

// heapMiB is spark.executor.memory; a plain number there is MiB, as in Spark.
func (s *Spec) heapMiB() int64 {
	text, ok := s.Spark.Conf["spark.executor.memory"]
	if !ok {
		return heapMiB
	}
	if m, ok := parseMemory(text); ok {
		return max(1, m.MiB())
	}
	if m, ok := parseMemory(text + "m"); ok {
		return max(1, m.MiB())
	}
	return heapMiB
}

// shortage is the fault of a master that cannot hold all members, named by
// role, with the remedy. ok: there is none, or it is not known here.
func (s *Spec) shortage() (f Fault, ok bool) {
	l := s.layout()
	members := s.members()
	if l.slots < 0 || l.slots >= len(members) {
		return Fault{}, true
	}
	var missing []string
	for _, m := range members[l.slots:] {
		missing = append(missing, fmt.Sprintf("%s:%d", m.Job, m.Index))
	}
	remedy := fmt.Sprintf("local-cluster[%d,%d,%d]", len(members), l.executorCores, max(l.heapMiB, int64(l.master.memoryMiB)))
	if l.master.where == SparkLocal {
		remedy = fmt.Sprintf("local[%d]", len(members)+one(s.sparkTasks()))
	}
	f = s.source.faultOf("spark.master", s.Spark.Master, fmt.Sprintf(
		"has room for %d of %d members, none for %s: use %s or more, or a smaller cluster_size",
		l.slots, len(members), strings.Join(missing, ", "), remedy))
	f.Code = exit.NotFormed
	return f, false
}
