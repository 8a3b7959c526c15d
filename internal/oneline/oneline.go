// Package oneline makes what programs and servers say fit into one line of a message.
//
// Comes in: text of any length. Goes out: valid UTF-8 without line breaks.
package oneline

import "strings"

// Of returns text as one line: white space is one blank, and what is no UTF-8 is U+FFFD. A text
// of more than most bytes is cut, between letters, and ends with "…".
func Of(text string, most int) string {
	line := strings.Join(strings.Fields(strings.ToValidUTF8(text, "\uFFFD")), " ")
	if len(line) > most {
		line = strings.ToValidUTF8(line[:most], "") + "…"
	}
	return line
}
