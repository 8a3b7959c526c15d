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

// kindInfer is Config.Kind of inference.
const kindInfer = "infer"

// predicts says whether Spark's tasks give rows to the member's engine and take
// its predictions back: the member then has no feed of its own.
func (a Assignment) predicts() bool { return a.Config.Kind == kindInfer && len(a.Feeds) > 0 }

// servePredictor greets a predict task and hands its connection to the engine,
// once that runs.
func (m *member) servePredictor(ctx context.Context, conn net.Conn) error {
	hello, err := feed.Greet(ctx, conn, m.Token)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	over, err := m.said.await(ctx)
	if err != nil {
		return err
	}
	if err := conn.SetWriteDeadline(after(attachTimeout)); err != nil {
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

// feedEnded passes the end of an epoch on to who takes its rows.
func (m *member) feedEnded(e reserve.FeedEnd) {
	if m.predicts() {
		m.said.fed.happen()
		return
	}
	m.warn("end of feed", m.rows.EndFeed(e.Feed, e.Epoch, e.Last))
}

// tellFed tells the engine that predict tasks have given all rows. Its
// connection carries no feed; when it is gone so is the engine.
func (m *member) tellFed(conn net.Conn) {
	if err := feed.WriteJSON(conn, feed.TypeEpochEnd, feed.EpochEnd{Feed: m.Feeds[0], Last: true}); err != nil {
		m.log.Debug("node: the engine does not hear that all rows are given", "error", err)
	}
}
