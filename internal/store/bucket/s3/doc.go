// Package s3 is the driver of S3 and of stores with its protocol.
//
// Comes in: Hadoop's settings fs.s3a.*, and the environment and files that the AWS SDK
// reads. Goes out: a bucket.Bucket.
//
// The SDK's own repeats and its log are off. Answers are not checked by CRC32, which
// other stores than Amazon's often do not have. Over plain HTTP requests are signed with the
// SHA-256 of their bytes, which the store checks. Over HTTPS they are not, as in the SDK:
// TLS protects the bytes.
package s3
