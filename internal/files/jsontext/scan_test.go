package jsontext

import (
	"encoding/json"
	"strings"
	"testing"
)

// The scanner accepts what encoding/json accepts, and returns the same strings.
func FuzzJSONText(f *testing.F) {
	for _, s := range []string{`{"a":[1,-2.5e+3,"x\u00e9\ud83d\ude00\n",true,null]}`, `"\ud800x"`, `[[[]]]`, `01`, `-`, `"a` + "\x01", ` {"a" : 1 , "b":{}} `, `1.`, `"\/\b\f"`, `tru`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if strings.Contains(string(b), "NaN") || strings.Contains(string(b), "Infinity") {
			return
		}
		text := &Text{Bytes: b}
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
			s := &Text{Bytes: b}
			if got, err := s.Str(); err != nil || string(got) != want {
				t.Fatalf("%q: string %q (%v), want %q", b, got, err, want)
			}
		}
	})
}
