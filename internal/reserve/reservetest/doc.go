// Package reservetest is what the tests of internal/reserve and internal/work share. No
// program imports it.
//
// A [Driver] is the other end of reserve.Serve: it writes the driver's lines and reads
// the server's events. A [Member] is a client that joins the run. Every wait is bounded
// by [Patience] and fails the test.
package reservetest
