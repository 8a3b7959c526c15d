// Package descriptors reads open files that come over a Unix socket with its bytes (SCM_RIGHTS
// of unix(7)).
//
// In: a connection. Out: bytes, and files that the caller closes.
//
// It sends nothing. How many files must come, and what they are, its callers decide.
package descriptors
