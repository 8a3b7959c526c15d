package work

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"tfos/internal/infer"
	"tfos/internal/reserve"
)

// makeShares gives each member its request.
func makeShares(members []reserve.Place, request func(i int) infer.Request) (reserve.Shares, error) {
	out := reserve.Shares{Members: map[reserve.Place][]byte{}, Pace: pace}
	for i, member := range members {
		text, err := json.Marshal(request(i))
		if err != nil {
			return out, fmt.Errorf("work: write the share of %s: %w", member, err)
		}
		out.Members[member] = text
	}
	return out, nil
}

// assign shares splits out to n members so that each has about the same bytes: the
// largest first, each to the member with the fewest bytes so far, of these with the
// fewest splits. Each share is in the order of its splits' numbers; it may be empty.
func assign(splits []infer.Split, n int) [][]infer.Split {
	order := slices.Clone(splits)
	slices.SortStableFunc(order, func(a, b infer.Split) int { return cmp.Compare(b.Length, a.Length) })
	shares := make([][]infer.Split, n)
	bytes := make([]int64, n)
	for _, split := range order {
		least := 0
		for i := range bytes {
			if cmp.Or(cmp.Compare(bytes[i], bytes[least]), cmp.Compare(len(shares[i]), len(shares[least]))) < 0 {
				least = i
			}
		}
		shares[least] = append(shares[least], split)
		bytes[least] += split.Length
	}
	for _, share := range shares {
		slices.SortFunc(share, func(a, b infer.Split) int { return cmp.Compare(a.ID, b.ID) })
	}
	return shares
}
