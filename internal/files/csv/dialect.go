package csv

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// dialect says how a CSV file is written. Options, names and defaults are
// Spark's, except that header defaults to true.
type dialect struct {
	header bool
	sep    byte
	// escape stands before a quote, or before itself, in a quoted cell. A quote
	// may also be doubled. With escape " a quote can only be doubled, as pandas
	// and pyarrow write it, and a backslash is an ordinary character.
	escape    byte
	nullText  string // an unquoted cell with this text is null
	multiLine bool   // a row may span several lines

	sawDoubled, sawEscaped bool // whether doubled quotes, or backslash escapes, were read so far
}

// optionSetters check an option's text and store it.
var optionSetters = map[string]func(d *dialect, text string) error{
	"header":    func(d *dialect, text string) (err error) { d.header, err = strconv.ParseBool(text); return err },
	"multiLine": func(d *dialect, text string) (err error) { d.multiLine, err = strconv.ParseBool(text); return err },
	"sep":       func(d *dialect, text string) (err error) { d.sep, err = oneByte(text); return err },
	"escape":    func(d *dialect, text string) (err error) { d.escape, err = oneByte(text); return err },
	"nullValue": func(d *dialect, text string) error { d.nullText = text; return nil },
}

func oneByte(text string) (byte, error) {
	if text == `\t` {
		text = "\t"
	}
	if len(text) != 1 || text[0] >= 0x80 || text == "\n" || text == "\r" {
		return 0, errors.New("must be one ASCII character, and no line end")
	}
	return text[0], nil
}

func newDialect(options map[string]string) (*dialect, error) {
	d := &dialect{header: true, sep: ',', escape: '\\'}
	for _, name := range slices.Sorted(maps.Keys(options)) {
		set, ok := optionSetters[name]
		if !ok {
			return nil, fmt.Errorf("files: csv: unknown option %q", name)
		}
		if err := set(d, options[name]); err != nil {
			return nil, fmt.Errorf("files: csv: option %s: %q: %w", name, options[name], err)
		}
	}
	switch {
	case d.sep == '"' || d.sep == d.escape:
		return nil, fmt.Errorf("files: csv: option sep: %q is a quote or escape", d.sep)
	case strings.ContainsAny(d.nullText, "\"\r\n"+string(d.sep)):
		return nil, fmt.Errorf("files: csv: option nullValue: %q has a quote, separator or line end", d.nullText)
	}
	return d, nil
}

// cell is a cell without its quotes and escapes.
type cell struct {
	text   []byte
	quoted bool
}

var (
	errOpenQuote  = errors.New(`the quoted cell does not end on its line; rows of several lines need the option multiLine, cells that end with a backslash the option escape: '"'`)
	errBareReturn = errors.New(`a carriage return outside quotes: lines must end with \n or \r\n; where \r alone ends them, change it first (tr '\r' '\n')`)
	errAfterQuote = errors.New(`text after a quoted cell's end; quotes that are doubled only need the option escape: '"'`)
)

// cells cuts a row into cells and appends them to list, which is empty. It
// overwrites the bytes of row: the cells point into them.
func (d *dialect) cells(row []byte, list []cell) ([]cell, error) {
	row = bytes.TrimSuffix(bytes.TrimSuffix(row, []byte("\n")), []byte("\r"))
	returns := bytes.IndexByte(row, '\r') >= 0
	for {
		var cell cell
		var rest []byte
		var err error
		if len(row) > 0 && row[0] == '"' {
			cell.quoted = true
			cell.text, rest, err = d.unquote(row[1:])
		} else if i := bytes.IndexByte(row, d.sep); i >= 0 {
			cell.text, rest = row[:i], row[i:]
		} else {
			cell.text = row
		}
		if err == nil && returns && !cell.quoted && bytes.IndexByte(cell.text, '\r') >= 0 {
			err = errBareReturn
		}
		if err != nil {
			return nil, fmt.Errorf("cell %d: %w", len(list)+1, err)
		}
		list = append(list, cell)
		if len(rest) == 0 {
			return list, nil
		}
		row = rest[1:]
	}
}

// unquote reads a cell after its opening quote, in place. rest is what follows
// the closing quote: nothing, or a separator first.
func (d *dialect) unquote(b []byte) (cell, rest []byte, err error) {
	to := 0
	for i := 0; i < len(b); i++ {
		c := b[i]
		var next byte
		if i+1 < len(b) {
			next = b[i+1]
		}
		switch {
		case c == d.escape && c != '"' && (next == '"' || next == c), c == '"' && next == '"':
			d.sawDoubled, d.sawEscaped = d.sawDoubled || c == '"', d.sawEscaped || c != '"'
			i++
			c = next
		case c == '"' && i+1 < len(b) && next != d.sep:
			return nil, nil, errAfterQuote
		case c == '"':
			return b[:to], b[i+1:], nil
		}
		b[to] = c
		to++
	}
	return nil, nil, errOpenQuote
}

// scanState is the state of the scan for a row's end.
type scanState int

const (
	cellStart  scanState = iota
	bareCell             // in a cell without quotes
	quotedCell           // in a quoted cell
	afterEscape
	afterQuote // after a quote in a quoted cell: the cell's end, or the first of a doubled quote
)

// rowEnd returns the length, with its line end, of the row at the beginning of
// b, or -1 and the state after b. It continues from state. It finds the same
// cells as the method cells.
func (d *dialect) rowEnd(b []byte, state scanState) (int, scanState) {
	for i, c := range b {
		switch {
		case state == afterEscape:
			state = quotedCell
		case state == quotedCell && c == '"':
			state = afterQuote
		case state == quotedCell && c == d.escape:
			state = afterEscape
		case state == quotedCell:
		case c == '\n':
			return i + 1, cellStart
		case c == d.sep:
			state = cellStart
		case c == '"' && (state == cellStart || state == afterQuote):
			state = quotedCell
		default:
			state = bareCell
		}
	}
	return -1, state
}

// quote appends a cell in quotes.
func (d *dialect) quote(b, text []byte) []byte {
	b = append(b, '"')
	for _, c := range text {
		if c == '"' || c == d.escape {
			b = append(b, d.escape)
		}
		b = append(b, c)
	}
	return append(b, '"')
}

// mustQuote reports whether a text needs quotes to be read back unchanged.
func (d *dialect) mustQuote(text []byte) bool {
	return len(text) == 0 || string(text) == d.nullText || bytes.IndexByte(text, d.sep) >= 0 ||
		bytes.ContainsAny(text, "\"\r\n") || len(bytes.TrimSpace(text)) != len(text)
}

// warnOfDialect warns if the file looks like another dialect. names are its
// columns.
func (d *dialect) warnOfDialect(path string, names []string, warn func(text string)) {
	if d.sawDoubled && d.sawEscaped {
		warn(fmt.Sprintf("%s: quotes are doubled, as pandas and pyarrow write them, and backslashes are taken for escapes: if they are text, set the option escape: '\"'", path))
	}
	if len(names) != 1 {
		return
	}
	for _, sep := range []string{";", "\t", "|"} {
		if strings.Contains(names[0], sep) {
			warn(fmt.Sprintf("%s: its only column is %q: if %q separates columns, set the option sep", path, names[0], sep))
			return
		}
	}
}
