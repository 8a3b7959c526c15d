package node

import (
	"regexp"
	"strings"
	"unicode"
)

// escape matches a terminal's control sequence: colours, titles, cursor movements.
var escape = regexp.MustCompile(`\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-_])`)

// printable makes a program's text safe for a terminal. The result is valid UTF-8
// without control sequences, and without control characters other than white space.
func printable(text string) string {
	text = escape.ReplaceAllString(strings.ToValidUTF8(text, "?"), "")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && !unicode.IsSpace(r) {
			return -1
		}
		return r
	}, text)
}
