package arrowipc

// What tests of the package use beside its interface.
var FailReads = failReads
