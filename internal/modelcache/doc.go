// Package modelcache keeps copies of models that lie on a store other than the local file
// system. internal/model and TensorFlow read local files only.
//
// Comes in: the URL of a SavedModel, of a frozen graph, of a checkpoint or of a folder of
// them. Goes out: the path of a copy on this machine, which the processes of a host share.
//
// A copy is a folder ROOT/KEY. KEY is a digest of the URL and of the names, sizes and times
// of its files: a model that changes gets another copy, and the old one stays whole for
// those who use it. A copy appears in one step, when all of its files have the listed sizes
// and the store still lists the same. Of processes that need the same copy at once, one
// downloads it and the others wait.
//
// The launcher and the driver need a model's graph and the index of its variables, and not
// the variables' values. Graph copies have no event files, and only the first 16 MiB of each
// file of values, which is as long as the original.
//
// A process holds the copies that it uses until it ends. Each download deletes copies that
// nobody holds: those that were not used for a week, and then the least recently used ones
// while all copies together have more than 20 GiB.
package modelcache
