// Command coredns is CoreDNS with the plugins that scripts/k8s/cluster.sh configures, and no
// other: CoreDNS's own command has those of each cloud, and takes twice as long to build.
package main

import (
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
)

func main() { coremain.Run() }
