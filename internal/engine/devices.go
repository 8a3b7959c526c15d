package engine

/*
#cgo LDFLAGS: -ldl
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include "tensorflow/c/c_api.h"
#include "tensorflow/c/kernels.h"

// library_path returns the file that TensorFlow was loaded from. NULL: not known.
static const char *library_path(void) {
	Dl_info info;
	return dladdr((void *)TF_Version, &info) ? info.dli_fname : NULL;
}

// start_driver starts CUDA's driver (cuInit and cuGetErrorString of cuda.h). 0: it has
// started. -1: there is none, and text is the loader's message. Else text is the driver's
// message, or NULL.
static int start_driver(const char **text) {
	void *cuda = dlopen("libcuda.so.1", RTLD_NOW);
	if (cuda == NULL) {
		*text = dlerror();
		return -1;
	}
	int (*init)(unsigned) = (int (*)(unsigned))dlsym(cuda, "cuInit");
	int (*message)(int, const char **) = (int (*)(int, const char **))dlsym(cuda, "cuGetErrorString");
	if (init == NULL || message == NULL) {
		*text = "libcuda.so.1 lacks cuInit or cuGetErrorString";
		return -1;
	}
	int code = init(0);
	if (code != 0 && message(code, text) != 0) *text = NULL;
	return code;
}
*/
import "C"

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"unsafe"

	attrpb "github.com/wamuir/graft/tensorflow/core/framework/attr_value_go_proto"
	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	kernelpb "github.com/wamuir/graft/tensorflow/core/framework/kernel_def_go_proto"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	tensorpb "github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	shapepb "github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	"google.golang.org/protobuf/proto"

	"tfos/internal/gpu"
)

// deviceGPU is TensorFlow's type of a GPU, as kernels and devices name it.
const deviceGPU = "GPU"

// GPUs says which GPUs TensorFlow sees, and whether it computes on them. What is wrong with
// all of them is in the result's Error. A device that hangs stops it: say is told of each
// step before it is done.
func GPUs(say func(gpu.Seen)) gpu.Seen {
	seen := gpu.Seen{TensorFlow: Version(), Library: libraryPath(), CUDA: hasGPUKernels("MatMul"), Devices: []gpu.SeenDevice{}}
	begin := func(step gpu.Step) {
		now := seen
		now.Next = step
		say(now)
	}
	begin(gpu.StepDriver)
	seen.Driver = driverProblem()
	begin(gpu.StepOpen)
	names, err := gpuNames()
	if err != nil {
		seen.Error = err.Error()
		return seen
	}
	for _, name := range names {
		begin(gpu.StepCompute)
		device := gpu.SeenDevice{Name: name}
		if err := multiplyOn(name); err != nil {
			device.Error = err.Error()
		}
		seen.Devices = append(seen.Devices, device)
	}
	return seen
}

// libraryPath returns the file of libtensorflow. "": not known.
func libraryPath() string {
	path := C.library_path()
	if path == nil {
		return ""
	}
	return C.GoString(path)
}

// driverProblem returns why CUDA's driver does not start. "": it does.
func driverProblem() string {
	var text *C.char
	code := C.start_driver(&text)
	switch {
	case code == 0:
		return ""
	case code < 0:
		return C.GoString(text)
	case text == nil:
		return fmt.Sprintf("cuInit: error %d", code)
	}
	return fmt.Sprintf("cuInit: %s (%d)", C.GoString(text), code)
}

// hasGPUKernels reports whether TensorFlow was built with kernels of an operation for GPUs.
func hasGPUKernels(op string) bool {
	st := newStatus()
	defer st.free()
	name := C.CString(op)
	defer C.free(unsafe.Pointer(name))
	buffer := C.TF_GetRegisteredKernelsForOp(name, st.c)
	if st.err() != nil {
		return false
	}
	defer C.TF_DeleteBuffer(buffer)
	var kernels kernelpb.KernelList
	if err := proto.Unmarshal(unsafe.Slice((*byte)(buffer.data), buffer.length), &kernels); err != nil {
		return false
	}
	for _, kernel := range kernels.GetKernel() {
		if kernel.GetDeviceType() == deviceGPU {
			return true
		}
	}
	return false
}

// gpuNames returns the names of TensorFlow's GPUs.
func gpuNames() ([]string, error) {
	s, err := openGraph(nil, nil, "")
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.close() }()
	st := newStatus()
	defer st.free()
	list := C.TF_SessionListDevices(s.c, st.c)
	if err := st.err(); err != nil {
		return nil, err
	}
	defer C.TF_DeleteDeviceList(list)
	var names []string
	for i := range C.TF_DeviceListCount(list) {
		kind, name := C.TF_DeviceListType(list, i, st.c), C.TF_DeviceListName(list, i, st.c)
		if err := st.err(); err != nil {
			return nil, err
		}
		if C.GoString(kind) == deviceGPU {
			_, short, _ := strings.Cut(C.GoString(name), "/device:")
			names = append(names, "/device:"+short)
		}
	}
	return names, nil
}

// testSize is the number of rows and columns of the matrix of ones that multiplyOn squares.
const testSize = 256

// multiplyOn computes a product of matrices on a device. TensorFlow places it nowhere else.
func multiplyOn(device string) error {
	float := &attrpb.AttrValue{Value: &attrpb.AttrValue_Type{Type: typespb.DataType_DT_FLOAT}}
	size := &shapepb.TensorShapeProto_Dim{Size: testSize}
	ones := &tensorpb.TensorProto{Dtype: typespb.DataType_DT_FLOAT, FloatVal: []float32{1},
		TensorShape: &shapepb.TensorShapeProto{Dim: []*shapepb.TensorShapeProto_Dim{size, size}}}
	graph, err := proto.Marshal(&graphpb.GraphDef{Node: []*nodepb.NodeDef{
		{Name: "ones", Op: "Const", Attr: map[string]*attrpb.AttrValue{"dtype": float, "value": {Value: &attrpb.AttrValue_Tensor{Tensor: ones}}}},
		{Name: "square", Op: "MatMul", Input: []string{"ones", "ones"}, Device: device, Attr: map[string]*attrpb.AttrValue{"T": float}},
	}})
	if err != nil {
		return err
	}
	s, err := openGraph(graph, nil, "")
	if err != nil {
		return err
	}
	defer func() { _ = s.close() }()
	at, err := s.output("square:0")
	if err != nil {
		return err
	}
	out, err := s.run(nil, []endpoint{at}, nil)
	if err != nil {
		return err
	}
	defer freeAll(out)
	for values := out[0].bytes(); len(values) > 0; values = values[4:] {
		if got := math.Float32frombits(binary.LittleEndian.Uint32(values)); got != testSize {
			return fmt.Errorf("a product is %g, not %d", got, testSize)
		}
	}
	return nil
}
