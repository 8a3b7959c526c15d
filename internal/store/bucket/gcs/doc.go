// Package gcs is the driver of Google Cloud Storage, by its JSON API.
//
// Comes in: Hadoop's settings fs.gs.* and google.cloud.auth.*, and the environment
// (GOOGLE_APPLICATION_CREDENTIALS, STORAGE_EMULATOR_HOST, the metadata server). Goes out:
// a bucket.Bucket. An ETag is a generation.
//
// The package makes the HTTP calls itself, with the tokens of golang.org/x/oauth2. The
// generated client (google.golang.org/api/storage/v1) adds 2.6 MB more to tfos-node, and
// repeats uploads by rules of its own.
package gcs
