package local

import (
	"encoding/json"
	"fmt"
	"os"

	"tfos/internal/node"
	"tfos/internal/reserve"
	"tfos/internal/work"
)

// planVersion is the version of plan.json that this room reads.
const planVersion = 2

// plan is what this room needs of plan.json (docs/protocols.md section 1).
type plan struct {
	Version    int         `json:"version"`
	Scratch    string      `json:"scratch"`
	NodeBinary string      `json:"node_binary"`
	Reserve    work.Config `json:"reserve"`
	Node       node.Config `json:"node"`
}

// readPlan refuses a plan of another version, and one for more than one member:
// they would share the machine, which one member uses as well.
func readPlan(path string) (plan, error) {
	var p plan
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &p)
	}
	if err == nil && p.Version != planVersion {
		err = fmt.Errorf("%s has version %d, and this tfos-node reads version %d: use tfos and tfos-node of one release", path, p.Version, planVersion)
	}
	if err == nil && len(p.Reserve.Members) != 1 {
		err = fmt.Errorf("%s has %d members, not one", path, len(p.Reserve.Members))
	}
	if err != nil {
		return p, fmt.Errorf("local: read the plan: %w", err)
	}
	return p, nil
}

// assignment is the member's line.
func (p plan) assignment(ready reserve.Ready) node.Assignment {
	m := p.Reserve.Members[0]
	return node.Assignment{
		Config: p.Node, Job: m.Job, Index: m.Index, Feeds: m.Feeds, Files: p.Scratch,
		Server: ready.Address, CA: ready.CA, Cert: ready.Cert, Key: ready.Key, Token: ready.Token,
	}
}
