package csv_test

import (
	"testing"

	"tfos/internal/files"
	"tfos/internal/files/filestest"
)

func TestConformance(t *testing.T) { filestest.Run(t, files.CSV) }
