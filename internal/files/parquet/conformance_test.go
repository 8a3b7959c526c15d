package parquet_test

import (
	"testing"

	"tfos/internal/files"
	"tfos/internal/files/filestest"
	"tfos/internal/files/parquet"
)

func TestFailingStore(t *testing.T) { filestest.FailingStore(t, files.Parquet, parquet.FailReads) }

func TestConformance(t *testing.T) { filestest.Run(t, files.Parquet) }
