package store

import "sync/atomic"

// Settings are properties of Hadoop's configuration that stores read, by their names:
// fs.defaultFS, fs.s3a.*, fs.gs.*, fs.azure.*, dfs.*, hadoop.security.*. Values may be
// secrets: nobody prints or logs them.
type Settings map[string]string

// configured holds the settings of this process.
var configured atomic.Pointer[Settings]

// Configure sets the settings of this process's stores. A program calls it before its
// first use of a store. Without it stores have what the environment says.
func Configure(s Settings) { configured.Store(&s); opened.reset() }

// settings returns what Configure was given, or nothing.
func settings() Settings {
	if s := configured.Load(); s != nil {
		return *s
	}
	return nil
}
