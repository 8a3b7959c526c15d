package feed

import "sync"

// buffers holds the memory of chunks that have been written to a program, for the
// next chunks. Without it a member that takes 200 MB/s has the kernel clear as many
// bytes of new memory, and the garbage collector free them.
var buffers sync.Pool

// newBuffer returns size bytes, of any content.
func newBuffer(size int64) []byte {
	b, ok := buffers.Get().(*[]byte)
	if ok && int64(cap(*b)) >= size && int64(cap(*b)) <= 2*size { // memory is counted by size
		return (*b)[:size]
	}
	if ok {
		buffers.Put(b)
	}
	return make([]byte, size)
}

// freeBuffer takes back a buffer that nobody reads any more.
func freeBuffer(b []byte) {
	if cap(b) > 0 {
		buffers.Put(&b)
	}
}
