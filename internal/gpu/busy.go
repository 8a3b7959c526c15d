package gpu

import "context"

// Use is how one device is used at this moment, by all processes. -1: nvidia-smi does not
// say, as of MIG instances.
type Use struct {
	Percent int   // of the last second or less in which it computed
	UsedMiB int64 // memory
}

// UseNow returns how devices are used, in their order. It starts one nvidia-smi.
func UseNow(ctx context.Context, devices []Device) ([]Use, error) {
	query, err := smi(ctx, factsQuery...)
	known, _ := parseFacts(query)
	if err != nil && len(known) == 0 {
		return nil, err
	}
	out := make([]Use, len(devices))
	for i, d := range devices {
		out[i] = Use{Percent: -1, UsedMiB: -1}
		if fact := known[d.ID]; fact.given {
			out[i] = fact.Use
		}
	}
	return out, nil
}
