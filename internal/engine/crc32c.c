// CRC-32C by the processor, for TensorFlow's reader and writer of checkpoints, which check
// every value. The wheels' libtensorflow is built without these instructions: its tables
// make 1.7 GB/s, and 60 % of the time of a restore.
//
// The dynamic loader takes an executable's definition of a symbol before a library's
// (ELF's interposition). This one has the name of Abseil's CRC32::Extend, in the release
// of Abseil that TensorFlow 2.16 to 2.19 have. A libtensorflow with another release has another
// name there, and keeps its own.

#if defined(__x86_64__)
#include <nmmintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// absl::lts_20230802::crc_internal::CRC32::Extend(uint32_t *crc, const void *bytes, size_t length) const
//
// crc is the register, which callers invert before and after (absl/crc/crc32c.cc). The
// class has no other polynomial. TensorFlow itself needs AVX, so that SSE 4.2 is there.
__attribute__((target("sse4.2"), visibility("default")))
void _ZNK4absl12lts_2023080212crc_internal5CRC326ExtendEPjPKvm(const void *self, uint32_t *crc, const void *bytes, size_t length) {
	const uint8_t *p = bytes;
	uint64_t c = *crc, word;
	(void)self;
	for (; length >= sizeof word; p += sizeof word, length -= sizeof word) {
		memcpy(&word, p, sizeof word);
		c = _mm_crc32_u64(c, word);
	}
	for (; length > 0; p++, length--)
		c = _mm_crc32_u8((uint32_t)c, *p);
	*crc = (uint32_t)c;
}
#endif
