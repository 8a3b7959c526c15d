package parquet

// What tests of the package use beside its interface.
var ErrMissing = errMissing
var ErrMore = errMore
var ErrNotParquet = errNotParquet
var FailReads = failReads
var PromiseRows = promiseRows
