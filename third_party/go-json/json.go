// Package json is encoding/json under the name of github.com/goccy/go-json, in whose place
// go.mod puts it: Arrow's library imports that one, and no part of tfos does.
//
// The replaced package fills 3.5 MB of tables when a process starts: a third of the CPU time
// that a feed task needs before its first row. Arrow itself uses encoding/json where its build
// tag tinygo is set. This is the part of the package that Arrow uses.
package json

import (
	"encoding/json"
	"io"
)

// Types of encoding/json.
type (
	Decoder            = json.Decoder
	Encoder            = json.Encoder
	Marshaler          = json.Marshaler
	Unmarshaler        = json.Unmarshaler
	Delim              = json.Delim
	Number             = json.Number
	RawMessage         = json.RawMessage
	UnmarshalTypeError = json.UnmarshalTypeError
)

// Marshal is json.Marshal.
func Marshal(v any) ([]byte, error) { return json.Marshal(v) }

// Unmarshal is json.Unmarshal.
func Unmarshal(data []byte, v any) error { return json.Unmarshal(data, v) }

// NewDecoder is json.NewDecoder.
func NewDecoder(r io.Reader) *Decoder { return json.NewDecoder(r) }

// NewEncoder is json.NewEncoder.
func NewEncoder(w io.Writer) *Encoder { return json.NewEncoder(w) }
