package engine

// #include <stdlib.h>
// #include "tensorflow/c/c_api.h"
import "C"

import (
	"path/filepath"
	"unsafe"

	"tfos/internal/model"
)

// LoadLibraries registers the operations of shared libraries with TensorFlow, for all
// models of this process. A path that is not absolute is the name of a Python package
// that was not found. Such a path, and a library that TensorFlow cannot load, is a
// *model.ModelError.
func LoadLibraries(paths []string) error {
	for _, path := range paths {
		if !filepath.IsAbs(path) {
			return &model.ModelError{Path: path, Problem: "the Python of this executor has no package of this name with libraries of operations",
				Remedy: "install it there, or give the path of a .so file in tensorflow.op_libraries"}
		}
		if err := loadLibrary(path); err != nil {
			return &model.ModelError{Path: path, Problem: "TensorFlow " + Version() + " cannot load this library of operations",
				Remedy: "tensorflow.op_libraries needs one that was built for this version of TensorFlow", Err: err}
		}
	}
	return nil
}

func loadLibrary(path string) error {
	st := newStatus()
	defer st.free()
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	library := C.TF_LoadLibrary(name, st.c)
	if err := st.err(); err != nil {
		return err
	}
	C.TF_DeleteLibraryHandle(library) // its operations stay
	return nil
}

// unregistered returns the indices of the operations that TensorFlow does not have.
func unregistered(names []string) []int {
	graph := C.TF_NewGraph()
	defer C.TF_DeleteGraph(graph)
	var missing []int
	for i, name := range names {
		if !registered(graph, name) {
			missing = append(missing, i)
		}
	}
	return missing
}

func registered(graph *C.TF_Graph, name string) bool {
	st := newStatus()
	defer st.free()
	op, def := C.CString(name), C.TF_NewBuffer()
	defer C.free(unsafe.Pointer(op))
	defer C.TF_DeleteBuffer(def)
	C.TF_GraphGetOpDef(graph, op, def, st.c)
	return st.err() == nil
}
