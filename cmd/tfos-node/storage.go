package main

import "tfos/internal/store"

// storage is the part of the driver's questions that says how stores are reached.
type storage struct {
	// Storage may have secrets. nil: what the environment says.
	Storage store.Settings `json:"storage"`
}

// configure sets up the stores of this process, before their first use.
func (s storage) configure() {
	if s.Storage != nil {
		store.Configure(s.Storage)
	}
}
