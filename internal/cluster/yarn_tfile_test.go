package cluster

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
)

// tfileNumber is org.apache.hadoop.io.file.tfile.Utils.writeVLong of numbers below 1<<23.
func tfileNumber(n int) []byte {
	switch {
	case n >= -32 && n <= 127:
		return []byte{byte(n)}
	case n >= -20<<8 && n < 20<<8:
		return []byte{byte(n>>8 - 52), byte(n)}
	case n >= -16<<16 && n < 16<<16:
		return []byte{byte(n>>16 - 88), byte(n >> 8), byte(n)}
	}
	return []byte{byte(n>>24 - 112), byte(n >> 16), byte(n >> 8), byte(n)}
}

func tfileText(text string) []byte { return append(tfileNumber(len(text)), text...) }

func javaUTF(text string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(text))), text...)
}

// logsOf are the files of a container, as the value of a record.
type logsOf struct {
	container string
	files     [][2]string
}

// tfile is a TFile with a block for each container, whose values are written in chunks.
func tfile(codec string, chunk int, all ...logsOf) []byte {
	pack := func(data []byte) []byte {
		if codec != "gz" {
			return data
		}
		var out bytes.Buffer
		w := zlib.NewWriter(&out)
		_, _ = w.Write(data)
		_ = w.Close()
		return out.Bytes()
	}
	file := bytes.Clone(tfileMagic)
	var regions []byte
	add := func(block []byte) (region []byte) {
		packed := pack(block)
		region = append(append(tfileNumber(len(file)), tfileNumber(len(packed))...), tfileNumber(len(block))...)
		file = append(file, packed...)
		return region
	}
	for _, one := range all {
		key := javaUTF(one.container)
		block := append(tfileNumber(len(key)), key...)
		var value []byte
		for _, f := range one.files {
			value = append(append(value, javaUTF(f[0])...), javaUTF(strconv.Itoa(len(f[1])))...)
			value = append(value, f[1]...)
		}
		for len(value) > chunk {
			block = append(append(block, tfileNumber(-chunk)...), value[:chunk]...)
			value = value[chunk:]
		}
		block = append(append(block, tfileNumber(len(value))...), value...)
		regions = append(regions, add(block)...)
	}
	index := append(append(tfileText(codec), tfileNumber(len(all))...), regions...)
	at := add(index)
	meta := len(file)
	file = append(file, tfileNumber(2)...)
	file = append(append(append(file, tfileText("data:TFile.meta")...), tfileText(codec)...), at...)
	file = append(append(append(file, tfileText("data:BCFile.index")...), tfileText(codec)...), at...)
	file = binary.BigEndian.AppendUint64(file, uint64(meta))
	return append(append(file, 0, 1, 0, 0), tfileMagic...)
}

// TestTFile: the end of a log in each place where it may be, plain and compressed, with
// values in few and in many chunks. test_yarn.py reads what a NodeManager has written.
func TestTFile(t *testing.T) {
	long := strings.Repeat("0123456789", 120_000)
	logs := []logsOf{
		{"VERSION", nil},
		{"container_1", [][2]string{{"stderr", long}, {"stdout", ""}, {"tfos.log", "first\nlast"}}},
		{"container_2", [][2]string{{"stdout", "second"}, {"stderr", long + "end"}}},
	}
	for _, codec := range []string{"none", "gz"} {
		for _, chunk := range []int{7, 4096, 1 << 20} {
			file := tfile(codec, chunk, logs...)
			read := func(container, name string) (string, error) {
				tail, err := tailInTFile(bytes.NewReader(file), int64(len(file)), container, name, 10)
				return string(tail), err
			}
			for _, c := range [][3]string{
				{"container_1", "stderr", "0123456789"}, {"container_1", "stdout", ""}, {"container_1", "tfos.log", "first\nlast"},
				{"container_2", "stdout", "second"}, {"container_2", "stderr", "3456789end"},
			} {
				if got, err := read(c[0], c[1]); err != nil || got != c[2] {
					t.Errorf("%s, chunks of %d: %s of %s: %q, %v", codec, chunk, c[1], c[0], got, err)
				}
			}
			for _, c := range [][2]string{{"container_1", "none"}, {"container_3", "stderr"}} {
				if got, err := read(c[0], c[1]); err != io.EOF {
					t.Errorf("%s, chunks of %d: %s of %s: %q, %v", codec, chunk, c[1], c[0], got, err)
				}
			}
		}
	}
}

// TestTFileDamaged: what is no TFile, or only a part of one, is an error and no log.
func TestTFileDamaged(t *testing.T) {
	whole := tfile("none", 64, logsOf{"c", [][2]string{{"stderr", strings.Repeat("x", 1000)}}})
	read := func(file []byte) ([]byte, error) {
		return tailInTFile(bytes.NewReader(file), int64(len(file)), "c", "stderr", 100)
	}
	for size := range whole {
		if _, err := read(whole[:size]); !errors.Is(err, errNoTFile) {
			t.Fatalf("the first %d bytes: %v", size, err)
		}
	}
	for i := range whole { // no panic, and no endless loop
		for _, change := range []byte{0x01, 0x80, 0xff} {
			damaged := bytes.Clone(whole)
			damaged[i] ^= change
			_, _ = read(damaged)
		}
	}
	for i := range tfileMagic { // another format has another end
		other := bytes.Clone(whole)
		other[len(other)-1-i] ^= 1
		if _, err := read(other); !errors.Is(err, errNoTFile) {
			t.Errorf("byte %d of its end differs: %v", i, err)
		}
	}
	if _, err := read(tfile("lzo", 64, logsOf{"c", nil})); err == nil || !strings.Contains(err.Error(), "lzo") {
		t.Error(err)
	}
}
