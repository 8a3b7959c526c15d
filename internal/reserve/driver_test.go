package reserve_test

import (
	"testing"

	"tfos/internal/reserve"
	"tfos/internal/reserve/reservetest"
)

// begin starts a server for members that only come and go.
func begin(t *testing.T, cfg reserve.Config) *reservetest.Driver {
	t.Helper()
	return reservetest.Begin(t, cfg, reservetest.OpenNothing)
}

// beginInMemory is begin for a test in a bubble of testing/synctest.
func beginInMemory(t *testing.T, cfg reserve.Config) (*reservetest.Driver, reserve.Network) {
	t.Helper()
	network := reserve.MemoryNetwork()
	return reservetest.BeginOn(t, network, cfg, reservetest.OpenNothing), network
}
