package task

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// TestOrderAmongWhatSparkSends: Spark's own part is not looked into, whatever is in it.
func TestOrderAmongWhatSparkSends(t *testing.T) {
	want := Order{Feed: Feed{Name: "train", ChunkRows: 7}, Epoch: 3, Token: "t", Schema: []byte("schema")}
	order, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	for name, header := range map[string]string{
		"nothing":                  "",
		"texts":                    string(encodeText("3.11")) + string(encodeText("naïve")),
		"numbers":                  "\xff\xff\xff\xff\x00\x00\x00\x00",
		"the mark's beginning":     orderMark[:5],
		"longer than any buffer":   strings.Repeat("\xff", 3*connectionBuffer),
		"a mark across a buffer":   strings.Repeat("x", connectionBuffer-4),
		"the mark's end, \xff too": "tfos-order\xff\xff",
	} {
		t.Run(name, func(t *testing.T) {
			wire := header + orderMark + string(encodeText(string(order))) + string(encodeText("batch")) + string(encodeNumber(endOfData))
			in := bufio.NewReaderSize(iotest.HalfReader(strings.NewReader(wire)), connectionBuffer)
			got, err := readOrder(in)
			if err != nil || got.Token != "t" || got.Feed != want.Feed || got.Epoch != 3 {
				t.Fatalf("%+v: %v", got, err)
			}
			buf, err := readBytes(in, []byte("kept"))
			if err != nil || string(buf) != "keptbatch" {
				t.Errorf("%q: %v", buf, err)
			}
			if _, err := readBytes(in, nil); !errors.Is(err, io.EOF) {
				t.Error(err)
			}
		})
	}
}

// TestBrokenConnection: the executor may die at any byte, and that is no end of the data.
func TestBrokenConnection(t *testing.T) {
	for _, wire := range []string{"", "abc", orderMark[:4], orderMark, orderMark + "\x00\x00\x00\x09{}", orderMark + string(encodeText("{"))} {
		in := bufio.NewReader(strings.NewReader(wire))
		if _, err := readOrder(in); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("order %q: %v", wire, err)
		}
	}
	for _, wire := range []string{"", "\x00\x00", "\x00\x00\x00\x09abc", string(encodeNumber(exception))} {
		if _, err := readBytes(strings.NewReader(wire), nil); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("bytes %q: %v", wire, err)
		}
	}
}

func TestPartition(t *testing.T) {
	for name, test := range map[string]struct {
		wire []int
		want int // -1: an error
	}{
		"Spark 3.5":           {[]int{7, 1}, 7},
		"Spark 4.3":           {[]int{startOfInit, 999, 7, 1}, 7},
		"none, in unit tests": {[]int{-1}, -1},
		"cut":                 {[]int{startOfInit}, -1},
		"unknown":             {[]int{-9, 7}, -1},
	} {
		var wire bytes.Buffer
		for _, n := range test.wire {
			wire.Write(encodeNumber(n))
		}
		got, err := readPartition(bufio.NewReader(&wire))
		if (err != nil) != (test.want < 0) || err == nil && got != test.want {
			t.Errorf("%s: %d, %v", name, got, err)
		}
	}
}
