// Package mirror keeps a member's local model_dir and a folder of a store alike, so that
// any program works with any store. The program sees only the local folder.
//
// Tree uploads the folder of an output, as it is, when its program has ended.
//
// Comes in: a local folder, the URL of a folder, and what the member does there (Mode).
// Goes out: files in the local folder, files and deletions at the store, and a Status.
//
// It never reads what a program's files hold, but for TensorFlow's checkpoints: an index
// says which data files belong to it, the state file says which checkpoints count. It
// knows nothing of members and runs. It never changes a file that the program has
// written, and no file of the store that it neither brought down nor wrote. There are two
// exceptions: checkpoints of earlier runs that the state file no longer names are deleted, and
// Sweep deletes what dead mirrors have left.
//
// # What a reader of the store finds
//
//   - A checkpoint has its index there only when all its data is there. A checkpoint that
//     the program saves again under its own name has no index while its files are
//     exchanged.
//   - The state file names checkpoints that are complete there. A checkpoint of the same
//     series that it does not name is held back: the program may be about to name it, or to
//     delete it (isMeant).
//   - Other files appear whole, and are replaced whole.
//   - Files that the program has deleted are deleted, after the state file that no longer
//     names them.
//   - While checkpoints change or are deleted, a note (sweep.go) says what is being done.
//     Sweep finishes what the note of a dead mirror says. What the program deletes after the
//     note was written is deleted by the next pass, with a note of its own.
//
// # Cost
//
// The local folder is looked through every Every (2 s), by names, sizes and times. A walk
// that takes long is made less often: it takes at most a fiftieth of the time. Files are
// read to upload them, without another copy on the disk. While the program runs an Uploader
// copies them: for members a process of the lowest priority (UploadProcess), which leaves
// the CPUs to the program. The mirror decides what goes up, in which order names are given,
// and does everything else. Finish uploads in this process.
//
// Terms:
//
//   - state file: the file "checkpoint" that tf.train.CheckpointManager writes.
//   - prefix: a checkpoint's path without .index, below the folder.
//   - pass: one comparison of both sides, and the copies that follow from it.
//   - staged: a file's bytes are at the store, and its name is not.
//   - owned: a file that this mirror may delete at the store, once it is deleted here.
package mirror
