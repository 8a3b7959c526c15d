package node

import (
	"context"
	"errors"
	"os"

	"tfos/internal/reserve"
)

// ending is the reason for which a member ends.
type ending struct {
	kind  reserve.Kind
	cause string
	// hard: the child is killed at once. Otherwise it gets SIGTERM and the grace.
	hard bool
	// silent: no report is sent, because the server cannot be reached or knows already.
	silent bool
	status int // exit status
}

// endings collects the reasons for which a member has to end, from any goroutine.
// The first is the cause. A hard one may follow while the child has its grace.
type endings struct {
	first chan ending   // holds the first ending
	hard  chan struct{} // closed at the first hard ending
	turn  chan struct{} // a lock for the other two: it holds one token
}

func newEndings() *endings {
	e := &endings{first: make(chan ending, 1), hard: make(chan struct{}), turn: make(chan struct{}, 1)}
	e.turn <- struct{}{}
	return e
}

func (e *endings) addEnding(end ending) {
	<-e.turn
	defer func() { e.turn <- struct{}{} }()
	select {
	case e.first <- end:
	default:
	}
	if end.hard {
		select {
		case <-e.hard:
		default:
			close(e.hard)
		}
	}
}

// watchExecutor adds an ending when the executor ends. It returns when ctx ends.
func (m *member) watchExecutor(ctx context.Context, out *os.File) {
	gone, err := watchReader(ctx, out)
	if err != nil {
		m.log.Warn("node: the executor's end will not be noticed, only the lease ends this member", "error", err)
	}
	if gone {
		m.endings.addEnding(ending{kind: reserve.Lost, cause: "the executor is gone", hard: true})
	}
}

// joinEnding returns the ending that follows from the error of Client.Join.
func joinEnding(err error) ending {
	var rejected *reserve.RejectedError
	end := ending{kind: reserve.Lost, cause: err.Error(), hard: true, silent: true, status: ExitDone}
	switch {
	case errors.As(err, &rejected):
		if rejected.Retry {
			end.status = ExitRetry
		}
	case errors.Is(err, reserve.ErrLeaseLost):
		// The run is over, or another process has this place.
	default:
		// It never was a member. While the run lives, Spark must start it again:
		// the cluster waits for it. If the driver is dead, Spark starts nothing.
		end.status = ExitRetry
	}
	return end
}
