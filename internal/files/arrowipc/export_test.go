package arrowipc

// Names that the package's external tests use.
var FailReads = failReads
