package files

// What tests of the package use beside its interface.
const NullFolder = nullFolder
