package gpu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"
)

// lockName is the address of a device's lock: an abstract socket (unix(7)), which one
// process at a time can bind. It needs no folder and no permission, so that two users see
// the same lock, and the kernel frees it when its process ends, however that comes.
// Its scope is a network namespace: that of the host, or of a container.
func lockName(id string) string { return "@tfos-gpu-" + id }

// lock is a device that this process holds. It tells who asks who the holder is.
type lock struct {
	listener net.Listener
	served   sync.WaitGroup
}

// errTaken says that another process holds a device.
var errTaken = errors.New("taken")

// lockDevice takes a device's lock. holder is one line for people.
func lockDevice(ctx context.Context, id, holder string) (*lock, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "unix", lockName(id))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, errTaken
	}
	if err != nil {
		return nil, fmt.Errorf("gpu: lock %s: %w", id, err)
	}
	l := &lock{listener: listener}
	l.served.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.SetDeadline(time.Now().Add(answerTime))
			_, _ = io.WriteString(conn, holder) // whoever asks may be gone
			_ = conn.Close()
		}
	})
	return l, nil
}

func (l *lock) release() {
	_ = l.listener.Close()
	l.served.Wait()
}

// answerTime limits the talk with a holder.
const answerTime = time.Second

// holderOf returns what the holder of a device says of itself.
func holderOf(ctx context.Context, id string) string {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", lockName(id))
	if err != nil {
		return "another process"
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(answerTime))
	text, _ := io.ReadAll(io.LimitReader(conn, 200))
	if len(text) == 0 {
		return "another process"
	}
	return strings.Join(strings.Fields(string(text)), " ")
}
