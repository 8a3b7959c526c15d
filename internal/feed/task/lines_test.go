package task

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
)

// mime is base64 as Spark versions write it that break it into lines.
func mime(b []byte) string {
	text := base64.StdEncoding.EncodeToString(b)
	var out []string
	for len(text) > 76 {
		out = append(out, text[:76])
		text = text[76:]
	}
	return strings.Join(append(out, text), "\r\n")
}

func TestLines(t *testing.T) {
	want := Order{Feed: Feed{Name: "train", ChunkRows: 7}, Epoch: 3, Token: "t", Schema: []byte("schema")}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.NewChaCha8([32]byte{1})
	var messages [][]byte
	for _, size := range []int{1, 2, 3, 57, 58, 1000, lineBuffer*3/4 - 1, lineBuffer * 3 / 4, 3_000_001} {
		m := make([]byte, size)
		_, _ = random.Read(m)
		messages = append(messages, m)
	}
	for name, encode := range map[string]func([]byte) string{
		"plain": base64.StdEncoding.EncodeToString, "in short lines": mime,
	} {
		t.Run(name, func(t *testing.T) {
			var wire bytes.Buffer
			wire.WriteString(encode(text) + " 12 ")
			for _, m := range messages {
				wire.WriteString(encode(m) + "\n")
			}
			in := newLines(iotest.HalfReader(&wire))
			order, partition, err := in.order()
			if err != nil || partition != 12 || order.Token != "t" || order.Feed != want.Feed {
				t.Fatalf("%+v, partition %d: %v", order, partition, err)
			}
			buf := []byte("kept")
			for i, m := range messages {
				if buf, err = in.next(buf[:4]); err != nil || !bytes.Equal(buf[4:], m) || string(buf[:4]) != "kept" {
					t.Fatalf("message %d: %d bytes: %v", i, len(buf), err)
				}
			}
			if _, err := in.next(nil); !errors.Is(err, io.EOF) {
				t.Error(err)
			}
		})
	}
}

// TestBrokenLines: the executor may die at any byte.
func TestBrokenLines(t *testing.T) {
	if _, _, err := newLines(strings.NewReader("")).order(); !errors.Is(err, io.EOF) {
		t.Errorf("no line: %v", err)
	}
	for _, wire := range []string{"e30", "e30= ", "e30= 1", "!!! 1 ", "bm8= 1 ", "e30= x "} {
		if _, _, err := newLines(strings.NewReader(wire)).order(); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("order %q: %v", wire, err)
		}
	}
	for _, wire := range []string{"AAAA", "AAAA\r\n", "AAAA\r\nAA", "!AAA\n", "AAA\n"} {
		if _, err := newLines(strings.NewReader(wire)).next(nil); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("batch %q: %v", wire, err)
		}
	}
}
