package main

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/klauspost/compress/s2"

	"tfos/internal/exit"
	"tfos/internal/launch"
)

//go:embed all:payload
var payloadFiles embed.FS

const (
	nodeBinary   = "tfos-node"
	engineBinary = "tfos-engine"

	// packed is the extension of compressed binaries. S2 (Snappy's successor)
	// is read in a sixth of gzip's time: 0.08 s instead of 0.45 s for both
	// binaries, in every run. It is a seventh larger.
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

// unpack writes a binary of the payload, executable, into the scratch folder.
func unpack(payload fs.FS, name string, scratch launch.Scratch) error {
	f, err := payload.Open(name + packed)
	if errors.Is(err, fs.ErrNotExist) {
		return missingBinary(name)
	}
	if err != nil {
		return payloadError(name, err)
	}
	defer f.Close()
	return scratch.Write(name, 0o755, s2.NewReader(f))
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
