package recordio

import (
	"bytes"
	"errors"
	"testing"
)

// The frame of "abc", as tf.io.TFRecordWriter of TensorFlow 2.19.1 writes it.
var abc = []byte("\x03\x00\x00\x00\x00\x00\x00\x00\xb0\x99\x49\x0eabc\x6e\x57\xf1\x21")

func TestWriteRecord(t *testing.T) {
	var file bytes.Buffer
	w := NewWriter(&file)
	for range 2 { // nothing of a record is left in the writer
		file.Reset()
		if err := w.WriteRecord([]byte("abc")); err != nil || !bytes.Equal(file.Bytes(), abc) {
			t.Fatalf("%q, %v; TensorFlow writes %q", file.Bytes(), err, abc)
		}
	}
}

// TestDamage: any changed bit of a frame is noticed by one of its two checksums.
func TestDamage(t *testing.T) {
	if n, ok := DataLength(abc[:HeaderBytes]); n != 3 || !ok || !DataIntact(abc) {
		t.Fatalf("%d bytes, %t, %t", n, ok, DataIntact(abc))
	}
	for bit := range 8 * len(abc) {
		frame := bytes.Clone(abc)
		frame[bit/8] ^= 1 << (bit % 8)
		if _, ok := DataLength(frame[:HeaderBytes]); ok == (bit < 8*HeaderBytes) {
			t.Errorf("bit %d: the length is taken for intact: %t", bit, ok)
		}
		if DataIntact(frame) == (bit >= 8*HeaderBytes) {
			t.Errorf("bit %d: the data is taken for intact: %t", bit, DataIntact(frame))
		}
	}
}

type full struct{ left int }

func (f *full) Write(p []byte) (int, error) {
	n := min(f.left, len(p))
	f.left -= n
	if n < len(p) {
		return n, errors.New("the disk is full")
	}
	return n, nil
}

func TestWriteFails(t *testing.T) {
	for left := range len(abc) {
		if err := NewWriter(&full{left}).WriteRecord([]byte("abc")); err == nil {
			t.Errorf("room for %d bytes is enough for %d", left, len(abc))
		}
	}
}
