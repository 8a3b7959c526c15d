package reserve

import (
	"encoding/json"
	"fmt"

	"tfos/internal/infer"
)

// judgeRows says whether the rows of all parts let an inference job have its
// output, and the exit code and phase when not: every split's rows must be
// accounted for, and no more be bad than the job takes.
func judgeRows(work *WorkConfig, parts []infer.SplitResult) (code int, phase string, err error) {
	var all infer.Account
	for _, split := range parts {
		all.Add(split.Account)
		if err := split.Balance(); err != nil {
			return codeInternal, "accounting", fmt.Errorf("rows are unaccounted for: split %d (%s): %w", split.ID, split.Input, err)
		}
		if quarantined := split.Quarantine; split.Quarantined > 0 && (quarantined == nil || quarantined.Rows != split.Quarantined) {
			return codeInternal, "accounting", fmt.Errorf("rows are unaccounted for: split %d (%s): %d quarantined, but %+v written", split.ID, split.Input, split.Quarantined, quarantined)
		}
	}
	var request infer.Request
	if err := json.Unmarshal(work.Request, &request); err != nil {
		return codeInternal, "accounting", fmt.Errorf("reserve: read the inference request: %w", err)
	}
	err = infer.Judge(all, parts, request.MaxBad)
	return infer.ExitCode(err), "running", err
}
