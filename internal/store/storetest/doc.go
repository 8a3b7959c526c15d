// Package storetest has the real servers of S3, GCS, Azure Blob Storage and HDFS that
// scripts/stores.sh starts, for the tests of all rooms. No program imports it.
//
// It does not import package store, whose own tests use it.
package storetest
