package store

import (
	"errors"
	"net"
	"testing"
	"time"
)

// A name node whose host has no address is an error at once: waiting does not help.
func TestHDFSUnknownHost(t *testing.T) {
	s, err := openHDFS("hdfs://no-such-host.invalid", nil)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, err = s.Stat(t.Context(), "hdfs://no-such-host.invalid/in")
	var lookup *net.DNSError
	if !errors.Is(err, errUnknownHost) || !errors.As(err, &lookup) {
		t.Errorf("error %v", err)
	}
	if took := time.Since(began); took > remote.total/2 {
		t.Errorf("took %s", took)
	}
}
