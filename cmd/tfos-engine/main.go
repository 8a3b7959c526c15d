// Command tfos-engine is the child of tfos-node that holds TensorFlow. It is
// not for people: tfos-node starts it, and tells it over a socket what to do.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// TensorFlow logs what it found out about the processor at INFO, to
	// standard error, where the last lines before a failure belong.
	if os.Getenv("TF_CPP_MIN_LOG_LEVEL") == "" {
		os.Setenv("TF_CPP_MIN_LOG_LEVEL", "1")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal kills
	os.Exit(run(ctx, os.Args[1:], os.Getenv("TFOS_SOCKET"), os.Stdout, os.Stderr))
}
