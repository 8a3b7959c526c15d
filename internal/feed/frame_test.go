package feed

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestFrameRoundTrip(t *testing.T) {
	for _, size := range []int{0, 1, 4095, 4096, 70_000, MaxChunk + chunkHeaderBytes} {
		var wire bytes.Buffer
		payload := bytes.Repeat([]byte{0xa5}, size)
		if err := WriteFrame(&wire, TypeChunk, payload[:size/3], payload[size/3:]); err != nil {
			t.Fatal(err)
		}
		typ, got, err := ReadFrame(&wire)
		if err != nil || typ != TypeChunk || !bytes.Equal(got, payload) {
			t.Errorf("size %d: type 0x%02x, %d bytes, %v", size, typ, len(got), err)
		}
		if _, _, err := ReadFrame(&wire); err != io.EOF {
			t.Errorf("size %d: after the frame: %v", size, err)
		}
	}
}

func TestFrameLimits(t *testing.T) {
	if err := WriteFrame(io.Discard, TypeChunk, make([]byte, MaxFrame)); !errors.Is(err, ErrProtocol) {
		t.Errorf("payload of MaxFrame bytes written: %v", err)
	}
	for name, test := range map[string]struct {
		wire string
		want error
	}{
		"empty":             {"", io.EOF},
		"half a length":     {"\x00\x00", io.ErrUnexpectedEOF},
		"no type":           {"\x00\x00\x00\x02", io.ErrUnexpectedEOF},
		"half a payload":    {"\x00\x00\x00\x03\x01a", io.ErrUnexpectedEOF},
		"length 0":          {"\x00\x00\x00\x00", ErrProtocol},
		"length above max":  {"\x01\x01\x00\x01\x04", ErrProtocol},
		"text, not a frame": {"GET / HTTP/1.1\r\n", ErrProtocol},
	} {
		if _, _, err := ReadFrame(strings.NewReader(test.wire)); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x03\x01ab"))
	f.Add([]byte("\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		typ, payload, err := ReadFrame(bytes.NewReader(wire))
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := WriteFrame(&again, typ, payload); err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(wire, again.Bytes()) {
			t.Errorf("%x was read as %x", wire, again.Bytes())
		}
	})
}

// TestFrameTablesAgree compares both sources: frames.py has each constant of
// this package under its Python name (TypeEpochEnd: EPOCH_END), and no others.
func TestFrameTablesAgree(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "frame.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int64{"VERSION": Version}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if ok && strings.HasPrefix(spec.Names[0].Name, "Type") {
			name := regexp.MustCompile(`([a-z])([A-Z])`).ReplaceAllString(spec.Names[0].Name[4:], "${1}_$2")
			want[strings.ToUpper(name)], _ = strconv.ParseInt(spec.Values[0].(*ast.BasicLit).Value, 0, 64)
		}
		return true
	})
	source, err := os.ReadFile("../../scripts/tfos/frames.py")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, m := range regexp.MustCompile(`(?m)^([A-Z_]+) = (0x[0-9a-fA-F]+|\d+)$`).FindAllStringSubmatch(string(source), -1) {
		got[m[1]], _ = strconv.ParseInt(m[2], 0, 64)
	}
	if len(want) < 20 {
		t.Fatalf("only %d constants found in frame.go", len(want))
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s: %d here, %d in frames.py", name, value, got[name])
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is in frames.py only", name)
		}
	}
	for _, line := range []string{
		"MAX_CHUNK = 16 << 20", "MAX_FRAME = MAX_CHUNK + (64 << 10)", `BATCH_HEADER = struct.Struct(">IIIQ")`,
	} {
		if !strings.Contains(string(source), "\n"+line) {
			t.Errorf("frames.py has no line %q", line)
		}
	}
}
