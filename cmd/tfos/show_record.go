package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"tfos/internal/record"
	"tfos/internal/store"
)

// recordJSON is the record of a run as JSON.
type recordJSON struct {
	Path    string          `json:"path"`
	Kind    string          `json:"kind"` // record, where a model has saved_model and others
	State   record.State    `json:"state"`
	Run     record.Run      `json:"run"`     // run.json
	Last    json.RawMessage `json:"last"`    // the newest line of events.jsonl; null: there is none
	Verdict *record.Verdict `json:"verdict"` // null: none is known
}

func isFolder(ctx context.Context, path string) bool {
	st, err := store.For(path)
	if err != nil {
		return false
	}
	info, err := st.Stat(ctx, path)
	return err == nil && info.Dir
}

// showRecord says how the run of a record is. A run that has a verdict ends with its report.
func showRecord(c *cli, o *showOptions, s record.Status) error {
	if s.Verdict != nil && s.Verdict.Record == "" { // the driver's: it does not know the folder
		s.Verdict.Record = o.path
	}
	if o.output.json {
		return json.NewEncoder(c.out).Encode(recordJSON{o.path, "record", s.State, s.Run, s.Last.Line, s.Verdict})
	}
	c.report(false, func(w io.Writer) { writeStatus(w, s) })
	return nil
}

func writeStatus(w io.Writer, s record.Status) {
	r := reporter{w}
	r.printf("%s run %s of %s: %s\n", s.Run.Kind, s.Run.ID, s.Run.Job, s.State)
	r.field("started", clockTime(s.Run.Started))
	r.field("ended", clockTime(s.Run.Ended))
	r.field("master", s.Run.Master)
	r.field("spark", strings.TrimSpace(s.Run.Application+" "+s.Run.TrackingURL))
	writer := "launcher"
	if s.Run.Adopted {
		writer = "driver"
	}
	r.field(writer, fmt.Sprintf("process %d on %s", s.Run.Writer.PID, s.Run.Writer.Host))
	if s.Last.Name != "" {
		r.field("last", fmt.Sprintf("%s at %s", lastEvent(s.Last), clockTime(s.Last.Time)))
	}
	switch {
	case s.Verdict != nil:
		writeReport(w, s.Run.Job, *s.Verdict, true)
	case s.Unbegun:
		r.field("note", "the launcher has ended, and the driver has not begun")
		r.field("next", "tfos attach says whether the cluster has the run; --run-id "+s.Run.ID+" follows it, or submits it")
	case s.State == record.Lost:
		r.field("cause", "the launcher has ended, and no verdict is known")
		r.mirrored(s.Mirrored, false)
		r.field("next", "start the job again, as another run")
	}
}

// lastEvent names an event, with what it says of how far the run is.
func lastEvent(e record.Entry) string {
	text := ""
	switch e := e.Event.(type) {
	case record.Waiting:
		text = fmt.Sprintf("%s missing", names(e.Missing))
	case record.Progress:
		text = new(pace).line(e, time.Time{}) // one event tells no rate
	case record.Warning:
		text = e.Message
	}
	if text == "" {
		return e.Name
	}
	return e.Name + " (" + text + ")"
}

// clockTime is a time in UTC; "" for none.
func clockTime(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format("2006-01-02 15:04:05 UTC")
}
