package node

import (
	"regexp"
	"strings"
	"unicode"
)

// escape is a terminal's control sequence: colours, titles, cursor movements.
var escape = regexp.MustCompile(`\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-_])`)

// printable is a program's text as a terminal may have it: valid UTF-8 without
// control sequences and control characters but white space.
func printable(text string) string {
	text = escape.ReplaceAllString(strings.ToValidUTF8(text, "?"), "")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && !unicode.IsSpace(r) {
			return -1
		}
		return r
	}, text)
}
