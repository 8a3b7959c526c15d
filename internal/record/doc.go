// Package record defines what a run says of itself: its driver's events and its
// verdict.
//
// In come events as values and as lines of JSON; out go the same. The driver,
// the launcher and the reservation server use these types, so that an event has
// one definition. docs/protocols.md section 2 is the contract.
//
// The package knows no launcher, no Spark and no reservation server.
//
// Terms. Event: one thing that happens in a run, as the driver tells it. Verdict:
// how the run ended, its last event.
package record
