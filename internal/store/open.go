package store

import (
	"errors"
	"fmt"
	"strings"
	"sync"
)

// ErrUnsupported is wrapped if no store knows a path's scheme.
var ErrUnsupported = errors.New("not supported yet")

// opener makes the store of a root: what a URL begins with, "s3://bucket" or
// "hdfs://host:8020". It opens no connection.
type opener func(root string, s Settings) (Store, error)

// openers has the schemes, in lower case.
var openers = map[string]opener{
	"hdfs":  openHDFS,
	"abfs":  openAzure,
	"abfss": openAzure,
	"gs":    openGCS,
	"s3":    openS3,
	"s3a":   openS3,
}

// instead says what to write for schemes that mean one of ours.
var instead = map[string]string{
	"s3n":   "Write s3a:// or s3://",
	"wasb":  "Write abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/…, or let Spark read it: read_by: spark",
	"wasbs": "Write abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/…, or let Spark read it: read_by: spark",
	"gcs":   "Write gs://",
	"http":  urlInstead,
	"https": urlInstead,
}

const urlInstead = "Write the store's own URL: s3://BUCKET/KEY, gs://BUCKET/OBJECT or abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH"

// For returns the store of path. For an unknown scheme the error is ErrUnsupported.
func For(path string) (Store, error) {
	if HasSecrets(path) {
		return nil, fmt.Errorf("store: %s: %w", HideSecrets(path), ErrSecret)
	}
	scheme, rest, found := strings.Cut(path, "://")
	scheme = strings.ToLower(scheme)
	if !found || scheme == "file" {
		return Local{}, nil
	}
	open, known := openers[scheme]
	if !known {
		return nil, fmt.Errorf("store: %s://: %w. %s", scheme, ErrUnsupported, orDefault(instead[scheme], "Spark may know it: read_by: spark"))
	}
	authority, _, _ := strings.Cut(rest, "/")
	return opened.store(scheme+"://"+authority, open)
}

// ForOwner is For, but only their owner may read and write new files and folders, if
// the store has permissions.
func ForOwner(path string) (Store, error) {
	s, err := For(path)
	if with, ok := s.(ownerStore); ok {
		s = with.forOwner()
	}
	return s, err
}

// ownerStore is a store with permissions.
type ownerStore interface{ forOwner() Store }

// openStores are the stores of this process by their root, which share connections.
type openStores struct {
	mu     sync.Mutex
	byRoot map[string]Store
}

var opened = &openStores{}

// store returns the store of a root, made at the first call.
func (o *openStores) store(root string, open opener) (Store, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if s, found := o.byRoot[root]; found {
		return s, nil
	}
	s, err := open(root, settings())
	if err != nil {
		return nil, fmt.Errorf("store: open %s: %w", root, err)
	}
	if o.byRoot == nil {
		o.byRoot = map[string]Store{}
	}
	o.byRoot[root] = s
	return s, nil
}

// reset forgets the open stores, whose settings are no longer those of the process.
func (o *openStores) reset() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.byRoot = nil
}
