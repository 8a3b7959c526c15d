package main

import (
	"errors"
	"net"
	"path/filepath"
	"testing"

	"tfos/internal/feed"
)

// The first member warns the user of a version of TensorFlow that is not tested.
func TestWarnUntested(t *testing.T) {
	for _, tt := range []struct {
		version string
		index   int
		want    byte // of the first frame
	}{
		{"2.15.1", 0, feed.TypeNote},
		{"2.15.1", 1, feed.TypePhase},
		{"2.19.1", 0, feed.TypePhase},
	} {
		l, err := net.Listen("unix", filepath.Join(shortDir(t), "s"))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ended := make(chan error, 1)
		go func() {
			member, err := feed.Attach(t.Context(), l.Addr().String())
			if err == nil {
				w := &worker{member: member}
				err = errors.Join(w.warnUntested(tt.version), w.enter("running"), member.Close())
			}
			ended <- err
		}()
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		var attach feed.AttachRequest
		err = errors.Join(feed.ReadJSON(conn, feed.TypeAttach, &attach), feed.WriteJSON(conn, feed.TypeContext, feed.ProgramContext{TaskIndex: tt.index}))
		got, payload, rerr := feed.ReadFrame(conn)
		if err := errors.Join(err, rerr, <-ended); err != nil || got != tt.want {
			t.Errorf("%+v: frame 0x%02x %s, %v", tt, got, payload, err)
		}
	}
}
