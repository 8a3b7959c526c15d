package store

import "sync/atomic"

// warner holds the function of OnWarning.
var warner atomic.Pointer[func(text string)]

// OnWarning sets the function that gets, in a line each, what the user should know of this
// process's stores. It may be called from several goroutines at a time. A program sets it
// before its first use of a store. Without it nobody is told.
func OnWarning(tell func(text string)) { warner.Store(&tell) }

// warn tells the user.
func warn(text string) {
	if tell := warner.Load(); tell != nil {
		(*tell)(text)
	}
}
