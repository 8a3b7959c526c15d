// Package bucket has the interface of an object store: objects in one bucket, by key.
//
// Comes in: keys without a leading slash, and bytes. Goes out: bytes, listings, and
// errors of the kinds in error.go. A driver for each kind of store is in a folder below:
// s3, gcs, azure.
//
// A driver tries each call once. internal/store repeats calls whose error says so
// (Error.Retry). A driver never logs, and no error of it contains a credential.
//
// Terms:
//   - ETag: what identifies an object's content, in the store's own form. A driver
//     gives the same text in all answers.
//   - Marker: an empty object whose key ends with "/". It keeps an empty folder.
//
// The package does not know internal/store.
package bucket
