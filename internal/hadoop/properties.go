package hadoop

import (
	"strconv"
	"strings"
)

// ParseProperties reads Java's properties format (java.util.Properties.load), which
// spark-defaults.conf has. Values have no spaces at their ends, as in Spark.
func ParseProperties(text string) map[string]string {
	out := map[string]string{}
	for line := range logicalLines(text) {
		end := endOfName(line)
		value := strings.TrimLeft(line[end:], blanks)
		if value != "" && strings.ContainsRune("=:", rune(value[0])) {
			value = strings.TrimLeft(value[1:], blanks)
		}
		out[unescape(line[:end])] = strings.TrimSpace(unescape(value))
	}
	return out
}

const blanks = " \t\f"

// logicalLines yields lines that are joined where one ends with a backslash. Blank lines
// and comments are left out.
func logicalLines(text string) func(func(string) bool) {
	return func(yield func(string) bool) {
		pending, joined := "", false
		for line := range strings.Lines(text) {
			line = strings.TrimLeft(strings.TrimRight(line, "\r\n"), blanks)
			if !joined && (line == "" || line[0] == '#' || line[0] == '!') {
				continue
			}
			backslashes := len(line) - len(strings.TrimRight(line, `\`))
			if joined = backslashes%2 == 1; joined {
				pending += line[:len(line)-1]
				continue
			}
			if !yield(pending + line) {
				return
			}
			pending = ""
		}
		if pending != "" {
			yield(pending)
		}
	}
}

// endOfName returns where a name ends: at the first =, : or blank without a backslash.
func endOfName(line string) int {
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case '=', ':', ' ', '\t', '\f':
			return i
		}
	}
	return len(line)
}

// unescape replaces a backslash and what follows it: \t, \n, \r, \f, \uXXXX. Other
// characters stand for themselves.
func unescape(text string) string {
	if !strings.Contains(text, `\`) {
		return text
	}
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			if text[i] != '\\' {
				out.WriteByte(text[i])
			}
			continue
		}
		i++
		switch c := text[i]; c {
		case 't':
			out.WriteByte('\t')
		case 'n':
			out.WriteByte('\n')
		case 'r':
			out.WriteByte('\r')
		case 'f':
			out.WriteByte('\f')
		case 'u':
			if code, err := strconv.ParseUint(text[i+1:min(i+5, len(text))], 16, 32); err == nil && i+5 <= len(text) {
				out.WriteRune(rune(code))
				i += 4
			}
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}
