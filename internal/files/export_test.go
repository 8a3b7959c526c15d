package files

// Names that the package's external tests use.
const NullFolder = nullFolder
