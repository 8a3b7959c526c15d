package main

import (
	"bytes"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"

	"github.com/klauspost/compress/s2"
	"github.com/zeebo/xxh3"

	"tfos/internal/exit"
	"tfos/internal/launch"
)

//go:embed all:payload
var payloadFiles embed.FS

const (
	nodeBinary   = "tfos-node"
	engineBinary = "tfos-engine"

	// packed is the extension of compressed binaries. S2 (Snappy's successor)
	// is read in a sixth of gzip's time, and is a seventh larger.
	packed = ".s2"
)

// payload returns the files that make build embedded.
func payload() fs.FS {
	sub, err := fs.Sub(payloadFiles, "payload")
	if err != nil {
		panic(err) // the name is a constant of this file
	}
	return sub
}

// hasBinary reports whether a binary is in the payload.
func hasBinary(payload fs.FS, name string) bool {
	_, err := fs.Stat(payload, name+packed)
	return err == nil
}

// unpack puts a binary of the payload, executable, into the scratch folder. If an earlier
// run has unpacked the same binary, it becomes a link.
func unpack(payload fs.FS, name string, kept launch.Binaries, scratch launch.Scratch) error {
	data, err := fs.ReadFile(payload, name+packed)
	if errors.Is(err, fs.ErrNotExist) {
		return missingBinary(name)
	}
	if err != nil {
		return payloadError(name, err)
	}
	sum := xxh3.Hash128(data).Bytes() // SHA-256 takes 0.03 s of CPU time for both
	if err := kept.Put(scratch, name, hex.EncodeToString(sum[:]), s2.NewReader(bytes.NewReader(data))); err != nil {
		return payloadError(name, err)
	}
	return nil
}

func missingBinary(name string) error {
	remedy := "run make build"
	if name == engineBinary {
		remedy = "run make build where libtensorflow is"
	}
	return payloadError(name, fmt.Errorf("this tfos was built without %s: %s", name, remedy))
}

func payloadError(name string, err error) error {
	if e := (*launch.Error)(nil); errors.As(err, &e) {
		return err
	}
	return &launch.Error{Code: exit.Internal, Phase: "unpack " + name, Err: err}
}
