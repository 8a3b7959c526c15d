package hadoop

import "strings"

// Get returns a property's value, as Hadoop's Configuration.get does: with its variables
// replaced. It is "" for a property that no source sets. Outdated names find the property
// of the present name.
func (c Configuration) Get(name string) string {
	return c.substitute(c.raw[currentName(name)])
}

// storePrefixes begin the names of properties that stores read.
var storePrefixes = []string{
	"fs.", "dfs.", "hadoop.security.", "hadoop.rpc.protection", "ipc.",
	"google.cloud.",
}

// kept are Spark's own settings that stores read.
var kept = map[string]bool{
	"spark.kerberos.keytab": true, "spark.kerberos.principal": true,
}

// Stores returns the properties that stores read, without spaces at their ends. Values may
// be secrets.
func (c Configuration) Stores() map[string]string {
	found := map[string]string{}
	for name := range c.raw {
		if ForStores(name) {
			found[name] = strings.TrimSpace(c.Get(name))
		}
	}
	return found
}

// ForStores reports whether stores read the property of this name.
func ForStores(name string) bool {
	if kept[name] {
		return true
	}
	for _, prefix := range storePrefixes {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// outdated maps names that Hadoop 3 has renamed to their present names. Only properties
// that stores read are here.
var outdated = map[string]string{
	"fs.default.name":                   "fs.defaultFS",
	"dfs.block.size":                    "dfs.blocksize",
	"dfs.umask":                         "fs.permissions.umask-mode",
	"dfs.umaskmode":                     "fs.permissions.umask-mode",
	"dfs.federation.nameservices":       "dfs.nameservices",
	"dfs.socket.timeout":                "dfs.client.socket-timeout",
	"fs.s3a.server-side-encryption-key": "fs.s3a.server-side-encryption.key",
}

// currentName returns the present name of a property.
func currentName(name string) string {
	if now, found := outdated[name]; found {
		return now
	}
	return name
}
