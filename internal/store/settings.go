package store

import (
	"errors"
	"fmt"
	"sync/atomic"

	"tfos/internal/store/bucket"
)

// Settings are properties of Hadoop's configuration that stores read, by their names:
// fs.defaultFS, fs.s3a.*, fs.gs.*, fs.azure.*, dfs.*, hadoop.security.*. Values may be
// secrets: nobody prints or logs them.
type Settings map[string]string

// keystorePath names the keystores (jceks) in which Hadoop looks for secrets first. tfos
// does not read them: they hold serialized Java objects.
const keystorePath = "hadoop.security.credential.provider.path"

// nameKeystore adds to an error of missing credentials that they may be in a keystore.
func (s Settings) nameKeystore(err error) error {
	if at := s[keystorePath]; at != "" && errors.Is(err, bucket.ErrCredentials) {
		return fmt.Errorf("%w; the keystore %s (%s) is not read", err, at, keystorePath)
	}
	return err
}

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
