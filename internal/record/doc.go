// Package record is what a run says of itself: its driver's events, its verdict, and
// the folder in which they are kept.
//
// In come events as values and as lines of JSON, and the verdict. Out go lines of
// JSON, and a folder written through internal/store by a [Writer]: run.json,
// events.jsonl, plan.json, command.txt, verdict.json. [Read] says how the run of such
// a folder is. docs/protocols.md sections 2 and 7 are the contracts.
//
// The package knows no launcher, no Spark and no reservation server, so that any
// process of a run can write its record, into any store. It has no clock and looks
// at no process: the caller brings both.
//
// Terms. Event: one thing that happens in a run, as the driver tells it. Verdict:
// how the run ended, its last event. Record: the folder. Lost: the process that
// wrote the record has ended, and no verdict is known.
package record
