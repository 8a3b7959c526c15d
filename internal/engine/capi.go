package engine

/*
#include <stdlib.h>
#include "tensorflow/c/c_api.h"
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

// flushDenormals makes this thread take numbers that are almost zero for zero, and returns
// its setting before.
static unsigned long flushDenormals() {
#if defined(__SSE2__)
	unsigned int before = _mm_getcsr();
	_mm_setcsr(before | 0x8040); // FTZ, DAZ
	return before;
#elif defined(__aarch64__)
	unsigned long before;
	__asm__ volatile("mrs %0, fpcr" : "=r"(before));
	__asm__ volatile("msr fpcr, %0" : : "r"(before | 1ul << 24)); // FZ
	return before;
#else
	return 0;
#endif
}

static void restoreDenormals(unsigned long before) {
#if defined(__SSE2__)
	_mm_setcsr(before);
#elif defined(__aarch64__)
	__asm__ volatile("msr fpcr, %0" : : "r"(before));
#endif
}

// runSession is TF_SessionRun for operations that run in the calling thread. TensorFlow's
// own threads flush denormals (tsl/platform/denormal.h); the caller's would compute with
// them, ten times as slowly: Adam's moments become denormal where gradients stay zero.
static void runSession(TF_Session *session, const TF_Output *inputs, TF_Tensor *const *in, int ninputs,
		const TF_Output *outputs, TF_Tensor **out, int noutputs,
		const TF_Operation *const *targets, int ntargets, TF_Status *status) {
	unsigned long before = flushDenormals();
	TF_SessionRun(session, NULL, inputs, in, ninputs, outputs, out, noutputs, targets, ntargets, NULL, status);
	restoreDenormals(before);
}
*/
import "C"

import (
	"errors"
	"strconv"
	"strings"
	"sync"
	"unsafe"
)

// Version returns the version of the loaded TensorFlow library.
func Version() string { return C.GoString(C.TF_Version()) }

// status receives the result of calls of TensorFlow.
type status struct{ c *C.TF_Status }

func newStatus() status { return status{C.TF_NewStatus()} }

func (s status) free() { C.TF_DeleteStatus(s.c) }

func (s status) err() error {
	if code := C.TF_GetCode(s.c); code != C.TF_OK {
		return &statusError{Code: int(code), Message: C.GoString(C.TF_Message(s.c))}
	}
	return nil
}

// statusError is an error of TensorFlow. Code is one of TF_Code (tsl_status.h).
type statusError struct {
	Code    int
	Message string
}

func (e *statusError) Error() string { return e.Message }

// endpoint is a tensor's place in a graph. operation is an operation of a graph.
type (
	endpoint  = C.TF_Output
	operation = C.TF_Operation
)

// session is a graph with a TensorFlow session. It is safe for concurrent use.
type session struct {
	mu    sync.RWMutex // held for reading by runs
	graph *C.TF_Graph
	c     *C.TF_Session // nil when closed
}

// openGraph makes a session of a serialised GraphDef. Its variables have no values yet.
// config is a serialised ConfigProto. target is a server's; "": the session computes in
// this process.
func openGraph(def, config []byte, target string) (*session, error) {
	st := newStatus()
	defer st.free()
	options := C.TF_NewSessionOptions()
	defer C.TF_DeleteSessionOptions(options)
	C.TF_SetConfig(options, unsafe.Pointer(unsafe.SliceData(config)), C.size_t(len(config)), st.c)
	if err := st.err(); err != nil {
		return nil, err
	}
	if target != "" {
		at := C.CString(target)
		defer C.free(unsafe.Pointer(at))
		C.TF_SetTarget(options, at)
	}
	buffer := C.TF_NewBufferFromString(unsafe.Pointer(unsafe.SliceData(def)), C.size_t(len(def)))
	defer C.TF_DeleteBuffer(buffer)
	as := C.TF_NewImportGraphDefOptions()
	defer C.TF_DeleteImportGraphDefOptions(as)
	s := &session{graph: C.TF_NewGraph()}
	C.TF_GraphImportGraphDef(s.graph, buffer, as, st.c)
	if st.err() == nil {
		s.c = C.TF_NewSession(s.graph, options, st.c)
	}
	if err := st.err(); err != nil {
		C.TF_DeleteGraph(s.graph)
		return nil, err
	}
	return s, nil
}

// close waits for the runs in progress, and frees session and graph. A second call does
// nothing.
func (s *session) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.c == nil {
		return nil
	}
	st := newStatus()
	defer st.free()
	C.TF_CloseSession(s.c, st.c)
	err := st.err()
	C.TF_DeleteSession(s.c, st.c)
	C.TF_DeleteGraph(s.graph)
	s.c, s.graph = nil, nil
	return errors.Join(err, st.err())
}

// operation finds an operation by its name. It returns nil if there is none.
func (s *session) operation(name string) *operation {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.findLocked(name)
}

// findLocked is operation for callers that hold mu.
func (s *session) findLocked(name string) *operation {
	if s.graph == nil {
		return nil
	}
	cname := C.CString(name)
	defer C.free(unsafe.Pointer(cname))
	return C.TF_GraphOperationByName(s.graph, cname)
}

// output finds a tensor by its name in the graph, "operation:index". The error is
// errNoTensor or errClosed.
func (s *session) output(name string) (at endpoint, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.graph == nil {
		return at, errClosed
	}
	name, suffix, indexed := strings.Cut(name, ":")
	index := 0
	if indexed {
		if index, err = strconv.Atoi(suffix); err != nil {
			return at, errNoTensor
		}
	}
	op := s.findLocked(name)
	if op == nil || index < 0 || index >= int(C.TF_OperationNumOutputs(op)) {
		return at, errNoTensor
	}
	return endpoint{oper: op, index: C.int(index)}, nil
}

// feed is a tensor for a place in the graph.
type feed struct {
	at     endpoint
	tensor *tensor
}

var (
	errClosed   = errors.New("the model is closed")
	errNoTensor = errors.New("the graph has no such tensor")
)

// run computes the fetches and runs the targets, which are operations without a wanted
// result. The caller frees the returned tensors, and still owns the feeds. TensorFlow
// keeps an executor for each sequence of names. Callers should therefore pass the same
// names in the same order.
func (s *session) run(feeds []feed, fetches []endpoint, targets []*operation) ([]*tensor, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.c == nil {
		return nil, errClosed
	}
	st := newStatus()
	defer st.free()
	at, in := make([]endpoint, len(feeds)), make([]*C.TF_Tensor, len(feeds))
	for i, f := range feeds {
		at[i], in[i] = f.at, f.tensor.c
	}
	out := make([]*C.TF_Tensor, len(fetches))
	C.runSession(s.c,
		unsafe.SliceData(at), unsafe.SliceData(in), C.int(len(feeds)),
		unsafe.SliceData(fetches), unsafe.SliceData(out), C.int(len(fetches)),
		unsafe.SliceData(targets), C.int(len(targets)), st.c)
	if err := st.err(); err != nil {
		return nil, err
	}
	tensors := make([]*tensor, len(out))
	for i, c := range out {
		tensors[i] = &tensor{c: c}
	}
	return tensors, nil
}
