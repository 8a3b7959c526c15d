// Package filestest is what the tests of internal/files and its packages share. No
// program imports it.
//
// Run is the suite that each format passes: types and nulls there and back, files
// without rows, cuts at any byte, damage, cells of many megabytes, cancelled
// reads. A new format gets a Kit in kit.go, and a test that calls Run.
package filestest
