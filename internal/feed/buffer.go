package feed

import "sync"

// buffers keeps the memory of chunks that were written to a program, for later
// chunks. Without it a member that receives 200 MB/s makes the kernel clear,
// and the garbage collector free, 200 MB/s of new memory.
var buffers sync.Pool

// newBuffer returns size bytes of undefined content.
func newBuffer(size int64) []byte {
	b, ok := buffers.Get().(*[]byte)
	if ok && int64(cap(*b)) >= size && int64(cap(*b)) <= 2*size { // at most twice the size, because memory is counted by size
		return (*b)[:size]
	}
	if ok {
		buffers.Put(b)
	}
	return make([]byte, size)
}

// freeBuffer takes a buffer back that is no longer read.
func freeBuffer(b []byte) {
	if cap(b) > 0 {
		buffers.Put(&b)
	}
}
