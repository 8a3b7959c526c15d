// Command tfos-engine is the child of tfos-node that runs TensorFlow. tfos-node starts it,
// not people, and sends its work over a socket.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// At level INFO, TensorFlow logs facts about the processor to standard error. They
	// would displace the last lines before a failure.
	if os.Getenv("TF_CPP_MIN_LOG_LEVEL") == "" {
		os.Setenv("TF_CPP_MIN_LOG_LEVEL", "1")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal kills
	os.Exit(run(ctx, os.Args[1:], os.Getenv("TFOS_SOCKET"), os.Stdout, os.Stderr))
}
