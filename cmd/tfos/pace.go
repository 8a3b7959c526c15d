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

// pace describes how far a run is. It estimates how fast an inference run computes, from its
// first progress on: the zero pace knows no rate.
type pace struct {
	begin time.Time
	first record.Progress
}

// line describes all of a progress: of a graph program its steps, of another one its rows, of
// an inference its splits, and of GPUs how they are used. It is "" before anything is done.
func (p *pace) line(e record.Progress, now time.Time) string {
	done := fedText(e.Feeds)
	if e.Training != nil {
		done = trainingText(*e.Training)
	}
	var parts []string
	for _, part := range []string{done, p.computedText(e, now), gpusText(e.GPUs)} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "; ")
}

// fedText describes the progress of a program that takes rows. It is "" for other jobs.
func fedText(feeds []record.FeedRows) string {
	if len(feeds) == 0 {
		return ""
	}
	var received, trained int64
	for _, f := range feeds {
		received += f.Received
		trained += f.Trained
	}
	return fmt.Sprintf("%d rows fed, %d trained", received, trained)
}

// trainingText describes how far the training of a graph program is.
func trainingText(t record.Training) string {
	text := fmt.Sprintf("step %d", t.Step)
	if t.Steps > 0 {
		text += fmt.Sprintf(" of %d", t.Steps)
	}
	text += fmt.Sprintf(", loss %.4g, %.1f steps/s", t.Loss, t.StepsPerSecond)
	if left := t.Steps - t.Step; left > 0 && t.StepsPerSecond > 0 {
		text += ", about " + formatSpan(float64(left)/t.StepsPerSecond) + " left"
	}
	return text
}

// computedText describes the progress of inference: rows, rows per second, splits, and the
// remaining time, estimated from the input's bytes. It is "" before the first row.
func (p *pace) computedText(e record.Progress, now time.Time) string {
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
