package reserve

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestLowWater runs testdata/lowwater. A "mark" directive names the members;
// each line of its input is "hold MEMBER STEPS ROWS", "leave MEMBER" or "end
// ROWS"; the output is the mark after each, "-" where nothing changed.
func TestLowWater(t *testing.T) {
	datadriven.RunTest(t, "testdata/lowwater/mark", func(t *testing.T, d *datadriven.TestData) string {
		var members []Place
		for _, arg := range d.CmdArgs {
			members = append(members, parsePlace(arg.Key))
		}
		w := newLowWater(members)
		var out strings.Builder
		for line := range strings.Lines(d.Input) {
			words := strings.Fields(line)
			number := func(i int) int64 {
				n, err := strconv.ParseInt(words[i], 10, 64)
				if err != nil {
					d.Fatalf(t, "%s: %v", line, err)
				}
				return n
			}
			var changed bool
			switch words[0] {
			case "hold":
				changed = w.setHolding(parsePlace(words[1]), holding{number(2), number(3), len(words) > 4 && words[4] == "all"})
			case "leave":
				changed = w.removeMember(parsePlace(words[1]))
			case "end":
				changed = w.endFeed(number(1))
			default:
				d.Fatalf(t, "unknown operation %s", words[0])
			}
			mark := "-"
			if changed {
				mark = fmt.Sprintf("step %d", w.step)
				if w.final {
					mark += " final"
				}
			}
			fmt.Fprintf(&out, "%-24s %s\n", strings.TrimSpace(line), mark)
		}
		return out.String()
	})
}
