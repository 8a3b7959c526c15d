// Package reserve is the run's reservation: which members the cluster has, which of
// them are alive, how far each is, and how the run ends.
//
// In come, at the server, the run's Config and the driver's commands as JSON
// lines, and members' registrations, renewals and outcomes by RPC. Out go
// events for the driver, the last of them the Verdict, and messages to members.
// docs/protocols.md sections 3 and 4 are the contract. The package has two
// halves:
//
//   - Serve, the server's process beside the Spark driver. All decisions are
//     the Roster's, which is pure: no clock, goroutine or socket; its tests are
//     the scripts in testdata/roster. One goroutine of the server owns it. What
//     members have to do, and what becomes of it, is behind the interface Work:
//     internal/work.
//   - Client, in every tfos-node: Join keeps the membership, Report delivers
//     how it ended.
//
// No tensor and no row passes here. The package starts no process, reads no
// environment, and touches files only through internal/store: members upload
// some (upload.go).
//
// Terms. Place: one entry of the plan's list of members, as "worker:1".
// Incarnation: one process that holds a place, numbered by the server from 1;
// an older one is fenced: its messages are ignored. Lease: how
// long a member lives without an answered renewal; its end is the only thing
// that kills. Session: one open stream; a member may have several in its life,
// one at a time. Suspect: a failure that may be another's consequence and is
// therefore not judged at once. Decided: the run's end is known and members
// are being stopped. Drained: they are gone, or had a lease's time to go.
package reserve
