package main

import (
	"fmt"
	"strings"
	"time"

	"tfos/internal/record"
)

// The remaining time is shown only after this time and this share of the input.
// Before that the first batches' warm-up dominates the estimate.
const (
	etaAfter = 5 * time.Second
	etaShare = 0.02
)

// pace estimates how fast an inference run computes, from its first progress
// on.
type pace struct {
	begin time.Time
	first record.Progress
}

// text describes the progress: rows, rows per second, splits, and the remaining
// time, estimated from the input's bytes. It is "" before the first row.
func (p *pace) text(e record.Progress, now time.Time) string {
	if e.Splits == 0 && e.Rows == 0 {
		return ""
	}
	if p.begin.IsZero() {
		p.begin, p.first = now, e
	}
	parts := []string{fmt.Sprintf("%d rows", e.Rows)}
	took := now.Sub(p.begin)
	if rows := e.Rows - p.first.Rows; rows > 0 && took > 0 {
		parts = append(parts, record.RowRate(float64(rows)/took.Seconds()))
	}
	splits := fmt.Sprintf("%d parts done", e.Splits) // Spark's partitions
	if e.AllSplits > 0 {
		splits = fmt.Sprintf("%d of %d splits done", e.Splits, e.AllSplits)
	}
	parts = append(parts, splits)
	done := float64(e.Bytes - p.first.Bytes)
	if left := float64(e.AllBytes - e.Bytes); took >= etaAfter && left > 0 && done >= etaShare*float64(e.AllBytes) {
		parts = append(parts, "about "+formatSpan(took.Seconds()*left/done)+" left")
	}
	return strings.Join(parts, ", ")
}

// formatSpan writes a time in the unit that suits its size.
func formatSpan(seconds float64) string {
	switch {
	case seconds < 90:
		return fmt.Sprintf("%.0f s", seconds)
	case seconds < 90*60:
		return fmt.Sprintf("%.0f min", seconds/60)
	}
	return fmt.Sprintf("%.1f h", seconds/3600)
}
