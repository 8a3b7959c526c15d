package local

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"tfos/internal/node"
	"tfos/internal/reserve"
	"tfos/internal/store"
	"tfos/internal/work"
)

// planVersion is the version of plan.json that this room reads.
const planVersion = 2

// plan has the parts of plan.json that this package needs (docs/protocols.md section 1).
type plan struct {
	Version    int         `json:"version"`
	Scratch    string      `json:"scratch"`
	NodeBinary string      `json:"node_binary"`
	Reserve    work.Config `json:"reserve"`
	Node       node.Config `json:"node"`
	Feeds      []feedPlan  `json:"feeds"`
	Stores     bool        `json:"stores"`
}

// readPlan reads plan.json. It refuses another version, and a plan with several
// members: on one machine they would be no faster than one member.
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

// readStorage reads the settings of the run's stores, if its plan names one.
func (p plan) readStorage(in io.Reader) (store.Settings, error) {
	if !p.Stores {
		return nil, nil
	}
	var given struct {
		Storage store.Settings `json:"storage"`
	}
	if err := json.NewDecoder(in).Decode(&given); err != nil {
		return nil, fmt.Errorf("local: read the settings of stores from standard input: %w", err)
	}
	return given.Storage, nil
}

// assignment returns the member's assignment, which goes to its standard input.
// storage are the settings of its stores.
func (p plan) assignment(ready reserve.Ready, storage store.Settings) node.Assignment {
	m := p.Reserve.Members[0]
	return node.Assignment{
		Config: p.Node, Job: m.Job, Index: m.Index, Feeds: m.Feeds, Files: p.Scratch,
		Server: ready.Address, CA: ready.CA, Cert: ready.Cert, Key: ready.Key, Token: ready.Token,
		Storage: storage,
	}
}
