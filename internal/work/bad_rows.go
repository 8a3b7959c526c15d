package work

import (
	"cmp"
	"fmt"

	"tfos/internal/infer"
)

// judgeRows refuses the rows of all parts, and of what Spark's tasks took (result),
// that are not accounted for, and more bad ones than maxBad percent; nil: any.
func judgeRows(result *total, parts []infer.Part, maxBad *float64) error {
	var err error
	var all infer.Account
	var first *infer.BadRow
	if result.Partitions > 0 && len(result.Parts) == 0 { // they are no parts
		all = result.Account
		err = unaccounted("the job", all, &infer.QuarantineFile{Rows: all.Quarantined})
	}
	for _, p := range result.BadPartitions {
		err = cmp.Or(err, unaccounted(fmt.Sprintf("partition %d", p.Partition), p.Account, p.Quarantine))
		first = cmp.Or(first, p.FirstBad)
	}
	for _, p := range parts {
		info := p.Info()
		all.Add(info.Account)
		err = cmp.Or(err, unaccounted(p.String(), info.Account, info.Quarantine))
		first = cmp.Or(first, info.FirstBad)
	}
	if err != nil {
		return unaccountedFor(err)
	}
	if err = infer.Judge(all, first, maxBad); err != nil {
		return &refusal{infer.ExitCode(err), "running", err}
	}
	return nil
}

// unaccounted says which rows of a piece of work are missing, in its account or in
// its quarantine file; nil: none.
func unaccounted(what string, a infer.Account, q *infer.QuarantineFile) error {
	if err := a.Balance(); err != nil {
		return fmt.Errorf("rows are unaccounted for: %s: %w", what, err)
	}
	if a.Quarantined > 0 && (q == nil || q.Rows != a.Quarantined) {
		return fmt.Errorf("rows are unaccounted for: %s: %d quarantined, but %+v written", what, a.Quarantined, q)
	}
	return nil
}
