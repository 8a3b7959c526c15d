// Package engine runs TensorFlow: it is the only room with cgo.
//
// Comes in: a model.Program, which makes a SavedModel or a checkpoint ready; Arrow
// record batches with a model.Binding. Goes out: Arrow arrays, one for each output. Nothing of C leaves.
// It reads no tables and writes no files.
//
// Three files talk to TensorFlow, by its C API (tensorflow/c/c_api.h): capi.go has
// sessions, tensor.go tensors, library.go libraries of operations. graft, whose generated protos other rooms read
// models with, has both too, but frees a tensor in its finalizer alone, which
// Go's collector does not hurry to run because it sees none of the C memory.
//
// Arrow memory. Predict borrows its batch for the call and copies what it needs
// into TensorFlow's memory; the arrays that it returns are copies too, from the
// caller's allocator, and the caller's to release.
//
// Tensor memory. Whoever has a tensor frees it: the inputs when the run is over,
// the outputs when there are arrays of them. So a prediction in progress has its
// inputs, what TensorFlow needs, and its outputs, and nothing stays after it.
//
// Conversions. Columns feed tensors as model.Fits says: nothing is lost in
// silence. Rows with an integer that its tensor's type cannot hold, a null, or a
// list whose length does not fit are a model.RowErrors with their indices in the
// batch. Lists of several lengths where the tensor leaves them open run in groups
// of one shape (groups.go).
//
// Profiles. With Go's -cpuprofile, whose signals reach TensorFlow's threads too,
// a process dies of a damaged heap within seconds. perf sends none: perf record
// -g shows Go, C++ and kernel together.
package engine
