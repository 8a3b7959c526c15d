package cluster

import "context"

// queueWords says why an application waits, in the scheduler's words, and how full its queue
// is. "": it has all that it asked for.
func (y yarn) queueWords(ctx context.Context, a yarnApplication) string { return "" }

// Executors is not known.
func (y yarn) Executors(context.Context, App) ([]Executor, error) { return nil, nil }
