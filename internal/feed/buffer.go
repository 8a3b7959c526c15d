package feed

import "sync"

// buffers are those of chunks that have been written to a program. Without them
// a member of 200 MB/s has the kernel clear as many bytes, and the collector find
// them again.
var buffers sync.Pool

// newBuffer has size bytes, of any content.
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

// freeBuffer takes back what nobody looks at any more.
func freeBuffer(b []byte) {
	if cap(b) > 0 {
		buffers.Put(&b)
	}
}
