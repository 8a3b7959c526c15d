package arrays

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
)

// ParseSchema reads a schema in Spark's DDL, such as "image array<float>, label
// bigint not null". Names may stand in backquotes. Types are Spark's, in any
// letter case. COMMENTs are ignored. A column is nullable unless it says NOT
// NULL.
func ParseSchema(ddl string) (*arrow.Schema, error) {
	p := &ddlParser{text: ddl}
	fields, err := p.parseFields("")
	if err == nil && len(fields) == 0 {
		err = p.unexpected("a column, such as: label bigint")
	}
	if err != nil {
		return nil, fmt.Errorf("files: schema %q: %w", ddl, err)
	}
	seen := map[string]bool{}
	for _, f := range fields {
		if seen[f.Name] {
			return nil, fmt.Errorf("files: schema %q: two columns %q", ddl, f.Name)
		}
		seen[f.Name] = true
	}
	return arrow.NewSchema(fields, nil), nil
}

// ddlTypes are the types without parameters.
var ddlTypes = map[string]arrow.DataType{
	"boolean": arrow.FixedWidthTypes.Boolean,
	"byte":    arrow.PrimitiveTypes.Int8, "tinyint": arrow.PrimitiveTypes.Int8,
	"short": arrow.PrimitiveTypes.Int16, "smallint": arrow.PrimitiveTypes.Int16,
	"int": arrow.PrimitiveTypes.Int32, "integer": arrow.PrimitiveTypes.Int32,
	"long": arrow.PrimitiveTypes.Int64, "bigint": arrow.PrimitiveTypes.Int64,
	"float": arrow.PrimitiveTypes.Float32, "real": arrow.PrimitiveTypes.Float32,
	"double":    arrow.PrimitiveTypes.Float64,
	"string":    arrow.BinaryTypes.String,
	"binary":    arrow.BinaryTypes.Binary,
	"date":      arrow.FixedWidthTypes.Date32,
	"timestamp": arrow.FixedWidthTypes.Timestamp_us, "timestamp_ltz": arrow.FixedWidthTypes.Timestamp_us,
	"timestamp_ntz": &arrow.TimestampType{Unit: arrow.Microsecond},
}

// ddlParser reads text from offset at on.
type ddlParser struct {
	text string
	at   int
}

func (p *ddlParser) unexpected(wanted string) error {
	found := "its end"
	if rest := strings.TrimSpace(p.text[p.at:]); rest != "" {
		found = strconv.Quote(rest)
	}
	return fmt.Errorf("%s where %s should be", found, wanted)
}

func (p *ddlParser) skipSpace() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

// accept consumes sign if it comes next.
func (p *ddlParser) accept(sign string) bool {
	p.skipSpace()
	if !strings.HasPrefix(p.text[p.at:], sign) {
		return false
	}
	p.at += len(sign)
	return true
}

// nextWord consumes the next word. It returns "" if there is none.
func (p *ddlParser) nextWord() string {
	p.skipSpace()
	from := p.at
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n,:<>()`'\"", p.text[p.at]) < 0 {
		p.at++
	}
	return p.text[from:p.at]
}

// acceptWords consumes these words if they come next, in any letter case.
func (p *ddlParser) acceptWords(words ...string) bool {
	from := p.at
	for _, w := range words {
		if !strings.EqualFold(p.nextWord(), w) {
			p.at = from
			return false
		}
	}
	return true
}

// readQuoted reads the rest of a quoted text. A doubled quote stands for one
// quote.
func (p *ddlParser) readQuoted(quote string) (string, error) {
	var text strings.Builder
	for {
		end := strings.Index(p.text[p.at:], quote)
		if end < 0 {
			p.at = len(p.text)
			return "", p.unexpected("a closing " + quote)
		}
		text.WriteString(p.text[p.at : p.at+end])
		p.at += end + 1
		if !strings.HasPrefix(p.text[p.at:], quote) {
			return text.String(), nil
		}
		text.WriteString(quote)
		p.at++
	}
}

// parseFields reads columns, or the fields of a struct up to end.
func (p *ddlParser) parseFields(end string) ([]arrow.Field, error) {
	var fields []arrow.Field
	for {
		f, err := p.parseField()
		if err != nil {
			return nil, err
		}
		fields = append(fields, f)
		switch {
		case p.accept(","):
		case end != "" && p.accept(end), end == "" && strings.TrimSpace(p.text[p.at:]) == "":
			return fields, nil
		default:
			return nil, p.unexpected("a comma")
		}
	}
}

func (p *ddlParser) parseField() (f arrow.Field, err error) {
	f.Nullable = true
	if p.accept("`") {
		f.Name, err = p.readQuoted("`")
	} else {
		f.Name = p.nextWord()
	}
	if err == nil && f.Name == "" {
		err = p.unexpected("a column's name")
	}
	if err != nil {
		return f, err
	}
	p.accept(":")
	if f.Type, err = p.parseType(); err != nil {
		return f, fmt.Errorf("column %s: %w", f.Name, err)
	}
	if p.acceptWords("not", "null") {
		f.Nullable = false
	}
	if p.acceptWords("comment") {
		for _, quote := range []string{"'", `"`} {
			if p.accept(quote) {
				_, err = p.readQuoted(quote)
				return f, err
			}
		}
		return f, p.unexpected("a comment in quotes")
	}
	return f, nil
}

func (p *ddlParser) parseType() (arrow.DataType, error) {
	from := p.at
	name := strings.ToLower(p.nextWord())
	if t, ok := ddlTypes[name]; ok {
		return t, nil
	}
	switch name {
	case "varchar", "char", "character":
		_, err := p.parseNumbers(1)
		return arrow.BinaryTypes.String, err
	case "decimal", "dec", "numeric":
		return p.parseDecimal()
	case "array":
		return p.parseArray()
	case "map":
		return p.parseMap()
	case "struct":
		return p.parseStruct()
	}
	p.at = from
	return nil, p.unexpected("a type of Spark's")
}

// parseNumbers reads (n, …): at most this many numbers. It returns none if
// there is no parenthesis.
func (p *ddlParser) parseNumbers(most int) ([]int32, error) {
	if !p.accept("(") {
		return nil, nil
	}
	var list []int32
	for len(list) < most {
		from := p.at
		n, err := strconv.ParseUint(p.nextWord(), 10, 31)
		if err != nil {
			p.at = from
			return nil, p.unexpected("a number")
		}
		list = append(list, int32(n))
		if !p.accept(",") {
			break
		}
	}
	if !p.accept(")") {
		return nil, p.unexpected(")")
	}
	return list, nil
}

func (p *ddlParser) parseDecimal() (arrow.DataType, error) {
	list, err := p.parseNumbers(2)
	if err != nil {
		return nil, err
	}
	list = append(list, []int32{10, 0}[len(list):]...)
	if list[0] < 1 || list[0] > 38 || list[1] > list[0] {
		return nil, fmt.Errorf("decimal(%d, %d): precision is 1 to 38, scale not more", list[0], list[1])
	}
	return &arrow.Decimal128Type{Precision: list[0], Scale: list[1]}, nil
}

func (p *ddlParser) parseArray() (arrow.DataType, error) {
	if !p.accept("<") {
		return nil, p.unexpected("array<type>")
	}
	element, err := p.parseType()
	if err == nil && !p.accept(">") {
		err = p.unexpected(">")
	}
	if err != nil {
		return nil, err
	}
	return arrow.ListOf(element), nil
}

func (p *ddlParser) parseMap() (arrow.DataType, error) {
	if !p.accept("<") {
		return nil, p.unexpected("map<type, type>")
	}
	key, err := p.parseType()
	if err == nil && !p.accept(",") {
		err = p.unexpected("a comma")
	}
	if err != nil {
		return nil, err
	}
	value, err := p.parseType()
	if err == nil && !p.accept(">") {
		err = p.unexpected(">")
	}
	if err != nil {
		return nil, err
	}
	return arrow.MapOf(key, value), nil
}

func (p *ddlParser) parseStruct() (arrow.DataType, error) {
	if !p.accept("<") {
		return nil, p.unexpected("struct<name: type, …>")
	}
	fields, err := p.parseFields(">")
	if err != nil {
		return nil, err
	}
	return arrow.StructOf(fields...), nil
}
