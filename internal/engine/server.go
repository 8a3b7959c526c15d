package engine

// #include <stdlib.h>
// #include "tensorflow/c/c_api.h"
import "C"

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"unsafe"

	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"

	"tfos/internal/exit"
)

// Cluster is the TensorFlow servers of a run, and which of them is this process's.
type Cluster struct {
	Addresses map[string][]string // host:port of each job's tasks
	Job       string
	Task      int
	Protocol  string // of the servers: grpc
	Threads   int    // intra-op threads; 0: TensorFlow chooses
	// Leader is the device that leads collective operations. "": there are none.
	Leader string
}

// Server is a TensorFlow server of this process. It runs until the process ends:
// TensorFlow cannot stop one.
type Server struct{ target string }

// StartServer starts this process's server of a cluster. A protocol that TensorFlow's
// library lacks is a *ProtocolError.
func StartServer(c Cluster) (*Server, error) {
	def, err := proto.Marshal(c.serverDef())
	if err != nil {
		return nil, fmt.Errorf("engine: server: %w", err)
	}
	st := newStatus()
	defer st.free()
	server := C.TF_NewServer(unsafe.Pointer(unsafe.SliceData(def)), C.size_t(len(def)), st.c)
	if err := st.err(); err != nil {
		var status *statusError
		if errors.As(err, &status) && status.Code == C.TF_NOT_FOUND { // ServerFactory::GetFactory
			return nil, &ProtocolError{Protocol: c.Protocol, Err: err}
		}
		return nil, c.cannotStart(err)
	}
	C.TF_ServerStart(server, st.c)
	if err := st.err(); err != nil {
		return nil, c.cannotStart(err)
	}
	return &Server{target: C.GoString(C.TF_ServerTarget(server))}, nil
}

func (c Cluster) cannotStart(err error) error {
	address := ""
	if tasks := c.Addresses[c.Job]; c.Task < len(tasks) {
		address = tasks[c.Task]
	}
	return fmt.Errorf("engine: TensorFlow's server of %s:%d does not start at %q: %w", c.Job, c.Task, address, err)
}

// serverDef describes the server (tensorflow/core/protobuf/tensorflow_server.proto). A
// server's own configuration has the leader too, because the sessions of other members
// run operations on it.
func (c Cluster) serverDef() *corepb.ServerDef {
	cluster := &corepb.ClusterDef{}
	for _, job := range slices.Sorted(maps.Keys(c.Addresses)) {
		tasks := map[int32]string{}
		for i, address := range c.Addresses[job] {
			tasks[int32(i)] = address
		}
		cluster.Job = append(cluster.Job, &corepb.JobDef{Name: job, Tasks: tasks})
	}
	return &corepb.ServerDef{Cluster: cluster, JobName: c.Job, TaskIndex: int32(c.Task), Protocol: c.Protocol, DefaultSessionConfig: c.sessionConfig(nil)}
}

// sessionConfig limits the threads of operations, but not how many operations run at a
// time: some wait for other members.
func (c Cluster) sessionConfig(filters []string) *corepb.ConfigProto {
	config := &corepb.ConfigProto{IntraOpParallelismThreads: int32(c.Threads), DeviceFilters: filters}
	if c.Leader != "" {
		config.Experimental = &corepb.ConfigProto_Experimental{CollectiveGroupLeader: c.Leader}
	}
	return config
}

// ProtocolError says that TensorFlow's library has no server of a protocol.
type ProtocolError struct {
	Protocol string
	Err      error // TensorFlow's, which lists the servers that it has
}

func (e *ProtocolError) Error() string {
	return fmt.Sprintf("engine: protocol %s: this build of TensorFlow %s lacks it: use protocol: grpc, or a library that was built with it (tensorflow.lib_dir): %v",
		e.Protocol, Version(), e.Err)
}

func (e *ProtocolError) Unwrap() error { return e.Err }

// ExitCode is 2: the job file names the wrong thing.
func (e *ProtocolError) ExitCode() exit.Code { return exit.Usage }
