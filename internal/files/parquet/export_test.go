package parquet

// Names that the package's external tests use.
var ErrMissing = errMissing
var ErrMore = errMore
var ErrNotParquet = errNotParquet
var FailReads = failReads
var PromiseRows = promiseRows
