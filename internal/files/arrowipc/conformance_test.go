package arrowipc_test

import (
	"testing"

	"tfos/internal/files"
	"tfos/internal/files/arrowipc"
	"tfos/internal/files/filestest"
)

func TestFailingStore(t *testing.T) { filestest.FailingStore(t, files.Arrow, arrowipc.FailReads) }

func TestConformance(t *testing.T) { filestest.Run(t, files.Arrow) }
