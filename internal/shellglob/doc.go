// Package shellglob has the patterns by which a job names a program's files, before it
// runs (app.python.files) and after (app.python.outputs). They are a shell's:
//
//   - any characters of one name
//     ?      one character
//     [a-z]  one of these characters; [^a-z]: none of them
//     \      takes the next character as it is
//     **     as a whole name: folders at every depth, this one too
//
// A name that is written as the pattern's is that name, whatever characters it has. A
// wildcard passes over names that begin with a dot, unless the pattern's name begins
// with one. Patterns of data are other ones: internal/store has Hadoop's.
//
// [Match] is for a path as text, [List] for a folder of this machine. Both take one
// name after the other from the pattern, with the same function.
package shellglob
