package infer

import "context"

// receive waits for the next value; ok is false when all was sent.
func receive[T any](ctx context.Context, from <-chan T) (v T, ok bool, err error) {
	select {
	case v, ok = <-from:
		return v, ok, nil
	case <-ctx.Done():
		return v, false, ctx.Err()
	}
}

// send hands a value on, or drops it when ctx ends.
func send[T any](ctx context.Context, to chan<- T, v T, drop func(T)) error {
	select {
	case to <- v:
		return nil
	case <-ctx.Done():
		drop(v)
		return ctx.Err()
	}
}

// drain drops the values that are in a channel.
func drain[T any](from <-chan T, drop func(T)) {
	for {
		select {
		case v, ok := <-from:
			if !ok {
				return
			}
			drop(v)
		default:
			return
		}
	}
}
