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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal kills
	os.Exit(run(ctx, os.Args[1:], os.Getenv("TFOS_SOCKET"), os.Stdout, os.Stderr))
}
