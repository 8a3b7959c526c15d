// Package filestest is shared by the tests of internal/files and its packages.
// No program imports it.
//
// Run is the suite that each format passes: write and read types and nulls,
// files without rows, cuts at any byte, damage, cells of many megabytes,
// cancelled reads. A new format needs a Kit in kit.go, and a test that calls
// Run.
package filestest
