package task

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"tfos/internal/files"
)

// TooFewPieces is the error of files that cannot be shared out to all members.
type TooFewPieces struct {
	Path            string
	Pieces, Members int
}

func (e *TooFewPieces) Error() string {
	return fmt.Sprintf("%s has %d pieces for %d members, and each member reads pieces of its own: "+
		"write it as at least %d files, or set input_mode: spark", e.Path, e.Pieces, e.Members, e.Members)
}

// Share is the part of a feed's files that one member reads itself.
type Share struct {
	Partitions
	Readers int `json:"readers"` // tasks that read at once
}

// ShareOut looks at the files of an Input and shares them out to so many members, each
// with so many readers. Each gets about the same bytes. A *TooFewPieces says that a
// member would get none.
func ShareOut(ctx context.Context, in Input, members, readers int) ([]Share, error) {
	data, err := in.open(ctx)
	if err != nil {
		return nil, err
	}
	recipe, err := data.Recipe()
	if err != nil {
		return nil, err
	}
	size := data.SplitBytes(members * readers)
	most := size
	if members > 1 {
		most = min(size, max(1, bytesOf(data)/int64(2*members))) // two pieces each are about even
	}
	splits, err := data.Splits(ctx, most)
	if err != nil {
		return nil, err
	}
	if len(splits) < members {
		return nil, &TooFewPieces{in.Path, len(splits), members}
	}
	shares := make([]Share, members)
	for i, of := range deal(splits, members) {
		shares[i] = Share{Partitions{recipe, pack(of, size)}, readers}
	}
	return shares, nil
}

func bytesOf(data *files.Dataset) (sum int64) {
	for _, f := range data.Files() {
		sum += f.Size
	}
	return sum
}

// deal gives each of n members about the same bytes: the largest split first, each to
// the member with the fewest bytes so far. Every member gets one if there are so many.
// Each share is in the order of splits.
func deal(splits []files.Split, n int) [][]files.Split {
	order := make([]int, len(splits))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(splits[b].Length, splits[a].Length) })
	numbers := make([][]int, n)
	bytes := make([]int64, n)
	for _, i := range order {
		least := 0
		for m := range n {
			if cmp.Or(cmp.Compare(bytes[m], bytes[least]), cmp.Compare(len(numbers[m]), len(numbers[least]))) < 0 {
				least = m
			}
		}
		numbers[least] = append(numbers[least], i)
		bytes[least] += splits[i].Length
	}
	shares := make([][]files.Split, n)
	for m, of := range numbers {
		slices.Sort(of)
		for _, i := range of {
			shares[m] = append(shares[m], splits[i])
		}
	}
	return shares
}
