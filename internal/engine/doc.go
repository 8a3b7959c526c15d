// Package engine runs models with TensorFlow. It is the only room with cgo.
//
// Comes in: a model.Program, which makes a SavedModel, a frozen graph or a
// checkpoint ready; Arrow record batches, with a model.Binding. Goes out: Arrow
// arrays, one for each output. No memory of C leaves the package. It reads no tables
// and writes no files, except the checkpoints that TensorFlow itself reads and writes.
//
// For training, a model.Training comes in, and the addresses of the cluster. Training is
// a session on this member's TensorFlow server. Each step feeds a batch, and gives the
// values of its metrics.
//
// Four files call TensorFlow's C API (tensorflow/c/c_api.h): capi.go for sessions,
// tensor.go for tensors, library.go for libraries of operations, server.go for servers.
// failure.go uses its error codes. graft, whose generated protos other rooms read models with, has
// sessions and tensors too. But it frees a tensor only in a finalizer. Go's collector
// runs finalizers late, because it does not see C memory.
//
// One file takes the place of a function of libtensorflow, after a comparison of the two:
// crc32c.c computes the checksums of checkpoints by the processor.
//
// Arrow memory. Predict borrows its batch for the call, and copies what it needs into
// TensorFlow's memory. The arrays that it returns are copies too. They come from the
// caller's allocator, and the caller releases them.
//
// Tensor memory. A tensor's owner frees it: inputs after the run, outputs after they
// have become arrays. A prediction in progress holds its inputs, its outputs and
// TensorFlow's working memory. Nothing stays after it.
//
// Conversions. Columns feed tensors as model.Fits says: no value changes in silence.
// A row does not fit if it has a null, a list of a wrong length, or a number that the
// tensor's type cannot hold. Such rows are a model.RowErrors with their indices in
// the batch. If the tensor leaves the length of lists open, rows of different lengths
// run in groups of one shape (groups.go).
//
// Profiles. Go's -cpuprofile sends signals that TensorFlow's threads receive too. The
// process then dies of a damaged heap within seconds. perf sends no signals: perf
// record -g shows Go, C++ and kernel together.
package engine
