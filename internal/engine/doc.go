// Package engine runs TensorFlow: it is the only room with cgo, and the only
// one that calls graft's sessions.
//
// Comes in: a SavedModel folder; Arrow record batches with a model.Binding.
// Goes out: Arrow arrays, one for each output. Nothing of C or of graft leaves.
// It reads no tables and writes no files.
//
// Arrow memory. Predict borrows its batch for the call and copies what it needs
// into TensorFlow's memory; the arrays that it returns are copies too, from the
// caller's allocator, and the caller's to release.
//
// Tensor memory. graft frees a tensor in its finalizer alone, and Go's collector
// does not see the C memory behind it: 500 runs of 12.8 MB held 6.7 GB. Each
// model therefore counts the tensor bytes that it makes and forces a collection
// every collectEvery bytes (ledger.go), which bounds what is held to about
// twice that beside the runs in progress.
//
// Conversions. Columns feed tensors as model.Fits says: nothing is lost in
// silence. Rows with an integer that its tensor's type cannot hold, a null, or a
// list whose length does not fit are a model.RowErrors with their indices in the
// batch. Lists of several lengths where the tensor leaves them open run in groups
// of one shape (groups.go).
package engine
