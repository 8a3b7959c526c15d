// Package azure is the driver of Azure Blob Storage.
//
// Comes in: Hadoop's settings fs.azure.*, and the environment (AZURE_*, a managed
// identity). Goes out: a bucket.Bucket. A bucket is a container.
//
// A marker is not an object whose name ends with a slash, but, as Hadoop and accounts
// with a hierarchical namespace have it, an empty object of the folder's name with the
// metadata hdi_isfolder.
package azure
