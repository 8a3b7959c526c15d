package datanode

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/encoding/protowire"
)

// block is a block whose files a fake data node has.
type block struct {
	data  []byte
	kind  byte
	chunk int
	paths [2]string // of the data and the checksums
}

// newBlock writes the files of a block.
func newBlock(t *testing.T, size int, kind byte, chunk int) *block {
	t.Helper()
	b := &block{data: make([]byte, size), kind: kind, chunk: chunk}
	generator := rand.NewChaCha8([32]byte{byte(size)})
	_, _ = generator.Read(b.data)
	meta := binary.BigEndian.AppendUint32([]byte{0, metaVersion, kind}, uint32(chunk))
	table := crc32.IEEETable
	if kind == checksumCRC32C {
		table = crc32.MakeTable(crc32.Castagnoli)
	}
	for at := 0; at < size && kind != checksumNull; at += chunk {
		meta = binary.BigEndian.AppendUint32(meta, crc32.Checksum(b.data[at:min(at+chunk, size)], table))
	}
	for i, content := range [][]byte{b.data, meta} {
		b.paths[i] = filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(b.paths[i], content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// answer is what a fake data node says.
type answer struct {
	message []byte
	files   int // how many descriptors it sends
	silent  bool
}

// granted is the answer of a data node that gives the files of a block.
var granted = answer{message: appendNumber(appendNumber(nil, 1, statusSuccess), 6, formatVersion), files: 2}

// fakeNode is a data node: over its Unix socket it gives the files of its block, and over
// the network it sends the block.
type fakeNode struct {
	dialer *Dialer
	block  *block
	asked  atomic.Pointer[[]byte] // the last request over the socket
	times  atomic.Int64           // how many there were
	dialed atomic.Int64           // connections over the network
	wrong  int                    // at which byte the network's data differs; -1: nowhere
	refuse []byte                 // what is answered over the network instead of the block
}

// newNode starts a fake data node.
func newNode(t *testing.T, b *block, a answer) *fakeNode {
	t.Helper()
	folder, err := os.MkdirTemp("", "sc") // a short path: a socket's name has 108 bytes at most
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	listener, err := net.Listen("unix", folder+"/dn.9866")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	n := &fakeNode{block: b, wrong: -1}
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			n.serve(c.(*net.UnixConn), b, a)
		}
	}()
	n.dialer = &Dialer{Socket: folder + "/dn._PORT", Limit: 300 * time.Millisecond, Idle: 50 * time.Millisecond, Dial: func(context.Context, string, string) (net.Conn, error) {
		n.dialed.Add(1)
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			in := make([]byte, 4<<10)
			size, _ := far.Read(in)
			_, _ = far.Write(n.sent(in[:size]))
		}()
		return near, nil
	}}
	return n
}

// sent is what the data node sends for a request over the network.
func (n *fakeNode) sent(in []byte) []byte {
	asked, ok := parseRead(in)
	switch {
	case n.refuse != nil:
		return protowire.AppendBytes(nil, n.refuse)
	case !ok:
		return []byte("not read")
	}
	b, kind := n.block, checksums{size: int64(n.block.chunk)}
	if b.kind != checksumNull {
		kind, _ = newChecksums(uint64(b.kind), int64(b.chunk))
	}
	at := int(asked.offset) / b.chunk * b.chunk
	checksum := appendNumber(appendNumber(nil, 1, uint64(b.kind)), 2, uint64(b.chunk))
	info := appendNumber(appendBytes(nil, 1, checksum), 2, uint64(at))
	out := protowire.AppendBytes(nil, appendBytes(appendNumber(nil, 1, statusSuccess), 4, info))
	for at < len(b.data) {
		data := bytes.Clone(b.data[at:min(len(b.data), at+b.chunk*(1+rand.IntN(40)))])
		var sums []byte
		for from := 0; from < len(data) && kind.table != nil; from += b.chunk {
			sums = binary.BigEndian.AppendUint32(sums, crc32.Checksum(data[from:min(len(data), from+b.chunk)], kind.table))
		}
		if n.wrong >= at && n.wrong < at+len(data) {
			data[n.wrong-at] ^= 0x10
		}
		out = append(append(append(out, packetBegin(int64(at), int32(len(data)))...), sums...), data...)
		at += len(data)
	}
	return append(out, packetBegin(int64(at), 0)...)
}

func (n *fakeNode) serve(c *net.UnixConn, b *block, a answer) {
	defer c.Close()
	request := make([]byte, 4<<10)
	size, _ := c.Read(request)
	request = request[:size]
	n.asked.Store(&request)
	n.times.Add(1)
	if a.silent {
		_, _ = c.Read(request) // until the client goes
		return
	}
	_, _ = c.Write(protowire.AppendBytes(nil, a.message))
	var fds []int
	for i := range a.files {
		fd, err := unix.Open(b.paths[i%2], unix.O_RDONLY, 0)
		if err != nil {
			panic(err)
		}
		fds = append(fds, fd)
	}
	_, _, _ = c.WriteMsgUnix([]byte{0}, unix.UnixRights(fds...), nil)
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}

// request is a request to read a block from an offset, as the client's library sends it.
func request(id uint64, size, offset int) []byte {
	extended := appendNumber(appendBytes(nil, 1, []byte("BP-1")), 2, id)
	extended = appendNumber(appendNumber(extended, 3, 1001), 4, uint64(size))
	base := appendBytes(appendBytes(nil, 1, extended), 2, appendBytes(nil, 1, []byte("token")))
	header := appendBytes(appendBytes(nil, 1, base), 2, []byte("client"))
	read := appendNumber(appendNumber(appendBytes(nil, 1, header), 2, uint64(offset)), 3, uint64(size-offset))
	return protowire.AppendBytes([]byte{0, version, opRead}, read)
}

// open asks a node to read a block.
func (n *fakeNode) open(t *testing.T, size, offset int) net.Conn {
	t.Helper()
	c, err := n.dialer.DialContext(t.Context(), "tcp", "127.0.0.1:9866")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := c.Write(request(7, size, offset)); err != nil {
		t.Fatal(err)
	}
	return c
}

// readAnswered reads the answer to a request. It returns where the data begins.
func readAnswered(t *testing.T, r io.Reader) int {
	t.Helper()
	message := readMessage(t, r)
	said, ok := parse(message)
	info, infoOK := parse(said.bytes[4])
	if !ok || !infoOK || said.numbers[1] != statusSuccess {
		t.Fatalf("answer %x", message)
	}
	return int(info.numbers[2])
}

func readMessage(t *testing.T, r io.Reader) []byte {
	t.Helper()
	size, err := binary.ReadUvarint(byteReader{r})
	if err != nil {
		t.Fatal(err)
	}
	message := make([]byte, size)
	if _, err := io.ReadFull(r, message); err != nil {
		t.Fatal(err)
	}
	return message
}

type byteReader struct{ io.Reader }

func (r byteReader) ReadByte() (byte, error) {
	var one [1]byte
	_, err := io.ReadFull(r.Reader, one[:])
	return one[0], err
}

// readPackets reads packets until the last one, in pieces of different sizes.
func readPackets(r io.Reader) (data []byte, err error) {
	for {
		var begin [6]byte
		if _, err := io.ReadFull(r, begin[:]); err != nil {
			return data, err
		}
		header := make([]byte, binary.BigEndian.Uint16(begin[4:]))
		if _, err := io.ReadFull(r, header); err != nil {
			return data, err
		}
		size := int(binary.LittleEndian.Uint32(header[len(header)-4:]))
		if size == 0 {
			return data, nil
		}
		for left := size; left > 0; {
			piece := make([]byte, min(left, 1+rand.IntN(1<<uint(rand.IntN(18)))))
			n, err := io.ReadFull(r, piece)
			data = append(data, piece[:n]...)
			if err != nil {
				return data, err
			}
			left -= n
		}
	}
}

// TestBlocks: from any offset, in pieces of any size, a block's file gives what the block
// has, with checksums of any kind.
func TestBlocks(t *testing.T) {
	for _, kind := range []byte{checksumCRC32, checksumCRC32C, checksumNull} {
		for _, chunk := range []int{512, 1000, 65_536, 1} {
			for _, size := range []int{1, 511, 512, 513, 70_000, 300_001} {
				b := newBlock(t, size, kind, chunk)
				n := newNode(t, b, granted)
				for _, offset := range []int{0, size / 3, size - 1} {
					c := n.open(t, size, offset)
					if at := readAnswered(t, c); at != offset {
						t.Fatalf("kind %d, chunks of %d, from %d of %d: the data begins at %d", kind, chunk, offset, size, at)
					}
					got, err := readPackets(c)
					if err != nil || !bytes.Equal(got, b.data[offset:]) {
						t.Fatalf("kind %d, chunks of %d, from %d of %d: %d bytes, %v", kind, chunk, offset, size, len(got), err)
					}
				}
				if n.dialer.Local.Load() != 3 || n.dialed.Load() != 0 {
					t.Fatalf("%d blocks from files, %d over the network", n.dialer.Local.Load(), n.dialed.Load())
				}
			}
		}
	}
}

// checkNetwork reads the whole block, which must come over the network.
func (n *fakeNode) checkNetwork(t *testing.T, name string) {
	t.Helper()
	before := n.dialed.Load()
	c := n.open(t, len(n.block.data), 0)
	if at := readAnswered(t, c); at != 0 {
		t.Errorf("%s: the data begins at %d", name, at)
	}
	if got, err := readPackets(c); err != nil || !bytes.Equal(got, n.block.data) {
		t.Errorf("%s: %d bytes, %v", name, len(got), err)
	}
	if n.dialed.Load() != before+1 {
		t.Errorf("%s: the block did not come over the network", name)
	}
}

// TestPackets: over the network, from any offset and in pieces of any size, the packets have
// what the block has, with checksums of any kind. No byte of a wrong chunk is handed out.
func TestPackets(t *testing.T) {
	for _, kind := range []byte{checksumCRC32, checksumCRC32C, checksumNull} {
		for _, chunk := range []int{512, 1000, 65_536} {
			for _, size := range []int{1, 512, 513, 300_001} {
				n := newNode(t, newBlock(t, size, kind, chunk), granted)
				n.dialer.Socket = ""
				for _, offset := range []int{0, size / 3, size - 1} {
					for _, wrong := range []int{-1, offset, (offset + size) / 2, size - 1} {
						if n.wrong = wrong; kind == checksumNull {
							n.wrong = -1
						}
						c := n.open(t, size, offset)
						at := readAnswered(t, c)
						got, err := readPackets(c)
						good := n.wrong < 0 && err == nil && at+len(got) == size || n.wrong >= 0 && errors.Is(err, errChecksum) && at+len(got) <= n.wrong
						if !good || at > offset || !bytes.Equal(got, n.block.data[at:at+len(got)]) {
							t.Fatalf("kind %d, chunks of %d, from %d of %d, wrong at %d: %d bytes from %d, %v", kind, chunk, offset, size, n.wrong, len(got), at, err)
						}
					}
				}
			}
		}
	}
	n := newNode(t, newBlock(t, 1000, checksumCRC32C, 512), granted)
	n.dialer.Socket, n.refuse = "", appendBytes(appendNumber(nil, 1, 5), 5, []byte("no"))
	if got, _ := io.ReadAll(n.open(t, 1000, 0)); !bytes.Equal(got, protowire.AppendBytes(nil, n.refuse)) {
		t.Errorf("refused: %q", got)
	}
}

// TestRequest: the data node is asked with the block and the token of the client's request.
func TestRequest(t *testing.T) {
	n := newNode(t, newBlock(t, 100, checksumCRC32C, 512), granted)
	n.open(t, 100, 0)
	asked := *n.asked.Load()
	message, size := protowire.ConsumeBytes(asked[3:])
	said, ok := parse(message)
	base, baseOK := parse(said.bytes[1])
	token, tokenOK := parse(base.bytes[2])
	extended, blockOK := parse(base.bytes[1])
	switch {
	case asked[2] != opFiles || size != len(asked)-3 || !ok || !baseOK || !tokenOK || !blockOK:
		t.Errorf("asked %x", asked)
	case said.numbers[2] != formatVersion || string(token.bytes[1]) != "token" || extended.numbers[2] != 7 || extended.numbers[3] != 1001:
		t.Errorf("asked for %+v of %+v", said, extended)
	}
}

// TestOverNetwork: where the data node gives no files, it is asked for the bytes.
func TestOverNetwork(t *testing.T) {
	b := newBlock(t, 1000, checksumCRC32C, 512)
	refused := appendBytes(appendNumber(nil, 1, 7), 5, []byte("no"))
	for name, a := range map[string]answer{
		"refused": {message: refused}, "refused, with files": {message: appendNumber(appendNumber(nil, 1, 7), 6, formatVersion), files: 2}, "no token": {message: appendNumber(nil, 1, 5)}, "another version": {message: appendNumber(appendNumber(nil, 1, 0), 6, 2), files: 2},
		"no descriptors": {message: granted.message}, "one descriptor": {message: granted.message, files: 1},
		"three descriptors": {message: granted.message, files: 3}, "no message": {message: []byte{0xff}}, "an endless message": {message: make([]byte, 100<<10)},
		"silent": {silent: true},
	} {
		n := newNode(t, b, a)
		var why []error
		n.dialer.Refused = func(err error) { why = append(why, err) }
		n.checkNetwork(t, name)
		if len(why) != 1 || why[0] == nil {
			t.Errorf("%s: told %v", name, why)
		}
		if n.dialer.Remote.Load() != 1 || n.dialer.Local.Load() != 0 {
			t.Errorf("%s: %d blocks from files", name, n.dialer.Local.Load())
		}
		if open := settled(t, b, 0); open > 0 {
			t.Errorf("%s: %d descriptors are open", name, open)
		}
	}
	n := newNode(t, b, granted)
	n.dialer.Socket = "/nowhere/dn._PORT"
	n.checkNetwork(t, "without a socket")
	n = newNode(t, b, granted)
	c, err := n.dialer.DialContext(t.Context(), "tcp", "127.0.0.1:9866")
	if err != nil {
		t.Fatal(err)
	}
	write := append([]byte{0, version, 80}, request(7, 1000, 0)[3:]...)
	if _, err := c.Write(write); err != nil {
		t.Fatal(err)
	}
	if got, _ := io.ReadAll(c); string(got) != "not read" || n.asked.Load() != nil {
		t.Errorf("a request to write: %q", got)
	}
}

// TestWrongFiles: no byte of a wrong chunk is handed out, and the block is read over the
// network from then on.
func TestWrongFiles(t *testing.T) {
	for name, c := range map[string]struct {
		change func(b *block) error
		most   int // bytes that may be read
	}{
		"a byte is another one": {func(b *block) error { return writeAt(b.paths[0], 150_000) }, 150_000 - 150_000%512},
		"a checksum differs":    {func(b *block) error { return writeAt(b.paths[1], metaHeader+4*100) }, 100 * 512},
		"the file is short":     {func(b *block) error { return os.Truncate(b.paths[0], 190_000) }, 190_000},
		"checksums are short":   {func(b *block) error { return os.Truncate(b.paths[1], 1000) }, (1000 - metaHeader) / 4 * 512},
		"the last byte":         {func(b *block) error { return writeAt(b.paths[0], 199_999) }, 199_999 - 199_999%512},
	} {
		for range 20 {
			b := newBlock(t, 200_000, checksumCRC32C, 512)
			if err := c.change(b); err != nil {
				t.Fatal(err)
			}
			n := newNode(t, b, granted)
			r := n.open(t, len(b.data), 0)
			readAnswered(t, r)
			got, err := readPackets(r)
			if err == nil || errors.Is(err, io.EOF) || len(got) > c.most || !bytes.Equal(got, b.data[:len(got)]) {
				t.Fatalf("%s: %d bytes, %v", name, len(got), err)
			}
			n.checkNetwork(t, name)
		}
	}
	for name, meta := range map[string][]byte{
		"no header": {}, "another version": {0, 2, 2, 0, 0, 2, 0}, "another kind": {0, 1, 9, 0, 0, 2, 0}, "chunks of 0": {0, 1, 2, 0, 0, 0, 0}, "huge chunks": {0, 1, 2, 0xff, 0, 0, 0},
	} {
		b := newBlock(t, 1000, checksumCRC32C, 512)
		if err := os.WriteFile(b.paths[1], meta, 0o600); err != nil {
			t.Fatal(err)
		}
		n := newNode(t, b, granted)
		n.checkNetwork(t, name)
		if open := settled(t, b, 0); open > 0 {
			t.Errorf("%s: %d descriptors are open", name, open)
		}
	}
}

// writeAt changes a byte of a file.
func writeAt(path string, offset int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	var one [1]byte
	_, err = f.ReadAt(one[:], offset)
	one[0] ^= 0x40
	_, writeErr := f.WriteAt(one[:], offset)
	return errors.Join(err, writeErr, f.Close())
}

// TestSkipChecksum: without checksums a changed byte is not seen.
func TestSkipChecksum(t *testing.T) {
	b := newBlock(t, 2000, checksumCRC32C, 512)
	if err := writeAt(b.paths[1], metaHeader); err != nil {
		t.Fatal(err)
	}
	n := newNode(t, b, granted)
	n.dialer.SkipChecksum = true
	r := n.open(t, len(b.data), 0)
	readAnswered(t, r)
	if got, err := readPackets(r); err != nil || !bytes.Equal(got, b.data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// TestOtherHost: the data node of another host is not asked for files, nor is any without a
// socket.
func TestOtherHost(t *testing.T) {
	n := newNode(t, newBlock(t, 1000, checksumCRC32C, 512), granted)
	for _, c := range []struct{ address, socket string }{{"203.0.113.1:9866", n.dialer.Socket}, {"nowhere.invalid:9866", n.dialer.Socket}, {"127.0.0.1:9866", ""}} {
		n.dialer.Socket = c.socket
		got, err := n.dialer.DialContext(t.Context(), "tcp", c.address)
		if err != nil {
			t.Fatal(err)
		}
		if got.(*conn).socket != "" {
			t.Errorf("%s with the socket %q: would be read from files", c.address, c.socket)
		}
		_ = got.Close()
	}
}

// TestDescriptors: readers of a block share its files, which stay open for a while, and no
// longer.
func TestDescriptors(t *testing.T) {
	b := newBlock(t, 100_000, checksumCRC32C, 512)
	n := newNode(t, b, granted)
	n.dialer.Idle = time.Hour
	for range 2 {
		var group sync.WaitGroup
		for range 20 {
			c := n.open(t, len(b.data), 0)
			group.Go(func() {
				readAnswered(t, c)
				if got, err := readPackets(c); err != nil || !bytes.Equal(got, b.data) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if asked := n.times.Load(); asked != 1 {
			t.Errorf("the data node was asked %d times", asked)
		}
		if open := settled(t, b, 2); open != 2 {
			t.Errorf("%d descriptors are open", open)
		}
	}
	n.dialer.Idle = 0
	_ = n.open(t, len(b.data), 0).Close()
	if open := settled(t, b, 0); open > 0 {
		t.Errorf("in the end %d descriptors are open", open)
	}
}

// TestAskedAtOnce: readers that begin at once ask the data node several times, and keep one
// answer.
func TestAskedAtOnce(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which closes forgotten files
	b := newBlock(t, 100_000, checksumCRC32C, 512)
	n := newNode(t, b, granted)
	n.dialer.Idle = time.Hour
	begin := make(chan struct{})
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			c, err := n.dialer.DialContext(t.Context(), "tcp", "127.0.0.1:9866")
			<-begin
			if err == nil {
				_, err = c.Write(request(7, len(b.data), 0))
			}
			if err := errors.Join(err, c.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	close(begin)
	group.Wait()
	if open := settled(t, b, 2); open != 2 {
		t.Errorf("%d descriptors are open", open)
	}
}

// TestManyBlocks: only so many blocks stay open.
func TestManyBlocks(t *testing.T) {
	b := newBlock(t, 100, checksumCRC32C, 512)
	n := newNode(t, b, granted)
	n.dialer.Idle = time.Hour
	for id := range uint64(2 * mostIdle) {
		c, err := n.dialer.DialContext(t.Context(), "tcp", "127.0.0.1:9866")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write(request(id, 100, 0)); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if open := settled(t, b, 2*mostIdle); n.dialer.Local.Load() != 2*mostIdle || open != 2*mostIdle {
		t.Errorf("%d descriptors are open", open)
	}
}

// settled returns how many descriptors of a block's files are open, once they are want, or
// after a while: the fake data node closes its own, and sockets end later.
func settled(t *testing.T, b *block, want int) (open int) {
	t.Helper()
	for range 500 {
		open = 0
		links, err := filepath.Glob("/proc/self/fd/*")
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range links {
			// One that is closed meanwhile is no link any more.
			if to, err := os.Readlink(link); err == nil && (to == b.paths[0] || to == b.paths[1]) {
				open++
			}
		}
		if open == want {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return open
}

// FuzzParse: no message makes parsing fail otherwise than by saying so.
func FuzzParse(f *testing.F) {
	f.Add(request(7, 1000, 10))
	f.Add(filesRequest([]byte("header")))
	f.Fuzz(func(_ *testing.T, p []byte) {
		if r, ok := parseRead(p); ok && (r.offset < 0 || r.offset >= r.size || r.key.pool == "") {
			panic("accepted")
		}
	})
}
