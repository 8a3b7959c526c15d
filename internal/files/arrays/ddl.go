package arrays

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
)

// ParseSchema reads a schema in Spark's DDL, such as
// "image array<float>, label bigint not null". Names may stand in backquotes;
// types are Spark's, in any case, COMMENTs are passed over. Every column is
// nullable unless it says NOT NULL.
func ParseSchema(ddl string) (*arrow.Schema, error) {
	p := &ddlParser{text: ddl}
	fields, err := p.fields("")
	if err == nil && len(fields) == 0 {
		err = p.fail("a column, such as: label bigint")
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

// ddlParser reads from the front of text.
type ddlParser struct {
	text string
	at   int
}

func (p *ddlParser) fail(wanted string) error {
	found := "its end"
	if rest := strings.TrimSpace(p.text[p.at:]); rest != "" {
		found = strconv.Quote(rest)
	}
	return fmt.Errorf("%s where %s should be", found, wanted)
}

func (p *ddlParser) space() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

// take consumes a sign, if it is the next.
func (p *ddlParser) take(sign string) bool {
	p.space()
	if !strings.HasPrefix(p.text[p.at:], sign) {
		return false
	}
	p.at += len(sign)
	return true
}

// word is the next word, "" when there is none.
func (p *ddlParser) word() string {
	p.space()
	from := p.at
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n,:<>()`'\"", p.text[p.at]) < 0 {
		p.at++
	}
	return p.text[from:p.at]
}

// keyword consumes words, if they are the next, in any case.
func (p *ddlParser) keyword(words ...string) bool {
	from := p.at
	for _, w := range words {
		if !strings.EqualFold(p.word(), w) {
			p.at = from
			return false
		}
	}
	return true
}

// quoted is what stands in quotes of this kind, doubled ones within it.
func (p *ddlParser) quoted(quote string) (string, error) {
	var text strings.Builder
	for {
		end := strings.Index(p.text[p.at:], quote)
		if end < 0 {
			p.at = len(p.text)
			return "", p.fail("a closing " + quote)
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

// fields reads columns, or a struct's fields up to end.
func (p *ddlParser) fields(end string) ([]arrow.Field, error) {
	var fields []arrow.Field
	for {
		f, err := p.field()
		if err != nil {
			return nil, err
		}
		fields = append(fields, f)
		switch {
		case p.take(","):
		case end != "" && p.take(end), end == "" && strings.TrimSpace(p.text[p.at:]) == "":
			return fields, nil
		default:
			return nil, p.fail("a comma")
		}
	}
}

func (p *ddlParser) field() (f arrow.Field, err error) {
	f.Nullable = true
	if p.take("`") {
		f.Name, err = p.quoted("`")
	} else {
		f.Name = p.word()
	}
	if err == nil && f.Name == "" {
		err = p.fail("a column's name")
	}
	if err != nil {
		return f, err
	}
	p.take(":")
	if f.Type, err = p.dataType(); err != nil {
		return f, fmt.Errorf("column %s: %w", f.Name, err)
	}
	if p.keyword("not", "null") {
		f.Nullable = false
	}
	if p.keyword("comment") {
		for _, quote := range []string{"'", `"`} {
			if p.take(quote) {
				_, err = p.quoted(quote)
				return f, err
			}
		}
		return f, p.fail("a comment in quotes")
	}
	return f, nil
}

func (p *ddlParser) dataType() (arrow.DataType, error) {
	from := p.at
	name := strings.ToLower(p.word())
	if t, ok := ddlTypes[name]; ok {
		return t, nil
	}
	switch name {
	case "varchar", "char", "character":
		_, err := p.numbers(1)
		return arrow.BinaryTypes.String, err
	case "decimal", "dec", "numeric":
		return p.decimal()
	case "array":
		return p.array()
	case "map":
		return p.mapping()
	case "struct":
		return p.structure()
	}
	p.at = from
	return nil, p.fail("a type of Spark's")
}

// numbers reads (n, …), most n of them.
func (p *ddlParser) numbers(most int) ([]int32, error) {
	if !p.take("(") {
		return nil, nil
	}
	var list []int32
	for len(list) < most {
		from := p.at
		n, err := strconv.ParseUint(p.word(), 10, 31)
		if err != nil {
			p.at = from
			return nil, p.fail("a number")
		}
		list = append(list, int32(n))
		if !p.take(",") {
			break
		}
	}
	if !p.take(")") {
		return nil, p.fail(")")
	}
	return list, nil
}

func (p *ddlParser) decimal() (arrow.DataType, error) {
	list, err := p.numbers(2)
	if err != nil {
		return nil, err
	}
	list = append(list, []int32{10, 0}[len(list):]...)
	if list[0] < 1 || list[0] > 38 || list[1] > list[0] {
		return nil, fmt.Errorf("decimal(%d, %d): precision is 1 to 38, scale not more", list[0], list[1])
	}
	return &arrow.Decimal128Type{Precision: list[0], Scale: list[1]}, nil
}

func (p *ddlParser) array() (arrow.DataType, error) {
	if !p.take("<") {
		return nil, p.fail("array<type>")
	}
	element, err := p.dataType()
	if err == nil && !p.take(">") {
		err = p.fail(">")
	}
	if err != nil {
		return nil, err
	}
	return arrow.ListOf(element), nil
}

func (p *ddlParser) mapping() (arrow.DataType, error) {
	if !p.take("<") {
		return nil, p.fail("map<type, type>")
	}
	key, err := p.dataType()
	if err == nil && !p.take(",") {
		err = p.fail("a comma")
	}
	if err != nil {
		return nil, err
	}
	value, err := p.dataType()
	if err == nil && !p.take(">") {
		err = p.fail(">")
	}
	if err != nil {
		return nil, err
	}
	return arrow.MapOf(key, value), nil
}

func (p *ddlParser) structure() (arrow.DataType, error) {
	if !p.take("<") {
		return nil, p.fail("struct<name: type, …>")
	}
	fields, err := p.fields(">")
	if err != nil {
		return nil, err
	}
	return arrow.StructOf(fields...), nil
}
