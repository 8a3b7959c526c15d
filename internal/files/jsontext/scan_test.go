package jsontext

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
)

// texts are JSON texts and what is none, for FuzzJSONText.
var texts = []string{
	`true`, `false`, `null`, `truE`, `nulL`, `trux`, `fals`, `t`, `[n]`, `[f,1]`,
	`0`, `-0`, `00`, `-01`, `-a`, `.5`, `1.5`, `1.e3`, `0x1`, `1e5`, `1E+5`, `1e-5`, `1e`, `1e+`, `1e5.5`, `1.5E3`, `-1.0`, `0.5`, `0e1`, `+1`, `1a`, `9`, `/`, `:`,
	"\t\r\n1 ", "1 2", "1\x00", "", " ", "\x0b1",
	`[]`, ` [ ] `, `[1,2]`, `[1 , [] , {}]`, `[1,]`, `[,1]`, `[1 2]`, `[1}`, `[1`, `[`, `]`, `[1,`,
	`{}`, ` { } `, `{"a" : 1 , "b" : [ ] }`, `{"a" 1}`, `{"a"}`, `{"a",1}`, `{a":1}`, `{1:2}`, `{"a":1,}`, `{"a":1]`, `{,}`, `{`, `{"a":`, `{"a":1`, `{"a`, `{"a":1,1}`, `{"a":tru}`,
	`""`, `" a b "`, `"abc`, `"`, `"a` + "\x01" + `"`, `"\n` + "\x01" + `"`, "\"\x1f\"", "\"\x80\"", "\"\\n\x80\"", "\"\xc3\xa4\x7f\"", `"a` + "\n" + `"`, `"\n b"`,
	`"a\`, `"\n`, `"\`, `"\x"`, `"\0"`, `"\"\\\/\b\f\n\r\t"`, `"é\té"`, `"\'"`,
	`"\u0041\u00e9\u00Aa\uABCD\uabcf\u0fF9"`, `"\u`, `"\u12`, `"\u12"`, `"\u12g4"`, `"\u00G0"`, `"\u00/0"`, `"\u00:0"`, `"\u00@0"`, "\"\\u00`0\"", `"\U0041"`,
	`"\ud83d\ude00x"`, `"\ud83d"`, `"\ud83dx"`, `"\ud83d\u0041"`, `"\ude00\ud83d"`, `"\ud83d\ud83d\ude00"`, `"\ud83dxude00"`, `"\ud83d\nde00"`, `"\ud83d\ude0"`, `"\ud83d\ude`,
}

// The scanner accepts what encoding/json accepts, and returns the same strings.
func FuzzJSONText(f *testing.F) {
	for _, s := range texts {
		f.Add([]byte(s))
	}
	for _, s := range []string{`{"a":[1,-2.5e+3,"x\u00e9\ud83d\ude00\n",true,null]}`, `"\ud800x"`, `[[[]]]`, `01`, `-`, `"a` + "\x01", ` {"a" : 1 , "b":{}} `, `1.`, `"\/\b\f"`, `tru`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if strings.Contains(string(b), "NaN") || strings.Contains(string(b), "Infinity") {
			return
		}
		text := &Text{Bytes: slices.Clip(b)} // nothing is read behind its end
		err := text.Skip(0)
		if err == nil {
			err = text.End()
		}
		utf8Only := err != nil && strings.Contains(err.Error(), "not UTF-8")
		if valid := json.Valid(b); valid != (err == nil) && !utf8Only {
			t.Fatalf("%q: encoding/json says %v, the scanner %v", b, valid, err)
		}
		var want string
		if err == nil && json.Unmarshal(b, &want) == nil && text.Bytes[len(text.Bytes)-1] == '"' {
			s := &Text{Bytes: slices.Clip(b)}
			if got, err := s.Str(); err != nil || string(got) != want {
				t.Fatalf("%q: string %q (%v), want %q", b, got, err, want)
			}
		}
	})
}

// TestWords: NaN and infinity are numbers, beyond the RFC.
func TestWords(t *testing.T) {
	for text, want := range map[string]bool{
		"NaN": true, "Infinity": true, "-Infinity": true, "[NaN,-Infinity]": true,
		"-NaN": false, "Na": false, "NaNs": false, "Infinit": false, "-I": false, "+Infinity": false, "nan": false, "- Infinity": false,
	} {
		s := &Text{Bytes: slices.Clip([]byte(text))}
		err := s.Skip(0)
		if err == nil {
			err = s.End()
		}
		if (err == nil) != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestDepth: arrays and objects may be nested MaxDepth deep, below the first.
func TestDepth(t *testing.T) {
	for more, deep := range map[int]bool{0: false, 1: true} {
		for _, pair := range [][2]string{{"[", "]"}, {`{"a":`, "}"}} {
			n := MaxDepth + more
			err := (&Text{Bytes: []byte(strings.Repeat(pair[0], n) + "1" + strings.Repeat(pair[1], n))}).Skip(0)
			if errors.Is(err, ErrDepth) != deep {
				t.Errorf("%d times %s: %v", n, pair[0], err)
			}
		}
	}
}
