// Package record has the events and the verdict of a run, and the folder that keeps
// them.
//
// Comes in: events, as values and as lines of JSON, and the verdict. Goes out: lines of
// JSON, and a folder that a [Writer] writes through internal/store: run.json,
// events.jsonl, plan.json, command.txt, verdict.json. [Read] reads the state of a run
// from such a folder. The contracts are sections 2 and 7 of docs/protocols.md.
//
// The package knows no launcher, no Spark and no reservation server. Any process of a
// run can therefore write its record, into any store. The package has no clock and
// inspects no other process: the caller supplies both.
//
// The driver of a run in cluster mode takes over the record that the launcher has made
// ([Adopt]). A launcher makes it anew if the run was never submitted ([Remake]). A [Follower]
// reads along. It can leave a request to stop beside the events.
//
// Terms:
//   - Event: something that happens in a run, reported by the driver.
//   - Verdict: how the run ended. It is the last event.
//   - Record: the folder.
//   - Lost: the process that wrote the record has ended, and no verdict is known.
package record
