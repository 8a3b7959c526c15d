package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"time"

	"tfos/internal/feed"
	"tfos/internal/reserve"
)

// kindInfer is the value of Config.Kind for inference.
const kindInfer = "infer"

// predicts reports whether Spark's tasks send rows to the member's engine and receive its
// predictions. The member then receives no feed itself.
func (a Assignment) predicts() bool { return a.Config.Kind == kindInfer && len(a.Feeds) > 0 }

// servePredictor greets a predict task, and hands its connection over to the engine once
// the engine runs. If the engine has ended, it answers with STOP.
func (m *member) servePredictor(ctx context.Context, conn net.Conn) error {
	hello, err := feed.Greet(ctx, conn, m.Token)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	over, err := m.program.awaitRunning(ctx)
	if err != nil {
		return err
	}
	if err := conn.SetWriteDeadline(deadlineIn(attachTimeout)); err != nil {
		return fmt.Errorf("node: predict task: %w", err)
	}
	if over != "" {
		return feed.WriteJSON(conn, feed.TypeStop, feed.StopFeed{Reason: over, Failed: true})
	}
	if err := feed.WriteJSON(conn, feed.TypeWelcome, feed.Welcome{Accepted: [][2]int64{}, Attempt: hello.Attempt}); err != nil {
		return fmt.Errorf("node: predict task: %w", err)
	}
	if err := conn.SetWriteDeadline(time.Time{}); err != nil {
		return fmt.Errorf("node: predict task: %w", err)
	}
	return feed.HandOver(ctx, conn, filepath.Join(m.guard.work, feed.PredictSocket), hello)
}

// feedEnded passes the end of an epoch on: to the engine if the member predicts,
// else to the feed's receiver.
func (m *member) feedEnded(e reserve.FeedEnd) {
	if m.predicts() {
		m.program.rowsEnded.markDone()
		return
	}
	m.warn("end of feed", m.rows.EndFeed(e.Feed, e.Epoch, e.Last))
}

// sendRowsEnded tells the engine that predict tasks have sent all rows. conn
// carries no feed. A broken conn means that the engine is gone.
func (m *member) sendRowsEnded(conn net.Conn) {
	if err := feed.WriteJSON(conn, feed.TypeEpochEnd, feed.EpochEnd{Feed: m.Feeds[0], Last: true}); err != nil {
		m.log.Debug("node: tell the engine that all rows were sent", "error", err)
	}
}
