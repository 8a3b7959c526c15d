// CRC-32C by the processor, for TensorFlow's reader and writer of checkpoints, which check
// every value. The wheels' libtensorflow is built without these instructions: its tables
// make 1.7 GB/s, and 60 % of the time of a restore.
//
// The dynamic loader takes an executable's definition of a symbol before a library's
// (ELF's interposition). This one has the name of Abseil's CRC32::Extend, in the release
// of Abseil that TensorFlow 2.16 to 2.19 have. A libtensorflow with another release has
// another name there, and keeps its own.
//
// The first call compares this function with the library's own. If one result differs, or
// the processor lacks the instructions, all calls go to the library's own.

#if defined(__x86_64__)
#ifndef _GNU_SOURCE
#define _GNU_SOURCE // RTLD_NEXT
#endif
#include <dlfcn.h>
#include <nmmintrin.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define EXTEND _ZNK4absl12lts_2023080212crc_internal5CRC326ExtendEPjPKvm
#define TEXT(name) #name
#define NAME(name) TEXT(name)

typedef void extend(const void *self, uint32_t *crc, const void *bytes, size_t length);

__attribute__((target("sse4.2")))
static void by_processor(uint32_t *crc, const void *bytes, size_t length) {
	const uint8_t *p = bytes;
	uint64_t c = *crc, word;
	for (; length >= sizeof word; p += sizeof word, length -= sizeof word) {
		memcpy(&word, p, sizeof word);
		c = _mm_crc32_u64(c, word);
	}
	for (; length > 0; p++, length--)
		c = _mm_crc32_u8((uint32_t)c, *p);
	*crc = (uint32_t)c;
}

// agrees reports whether both give the same for short and long texts, from any register.
static int agrees(extend *own, const void *self) {
	uint8_t text[200];
	uint32_t at = 0x9E3779B9;
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (uint8_t)((at = at * 1664525 + 1013904223) >> 24);
	for (size_t n = 0; n <= sizeof text; n++) {
		uint32_t want = at = at * 1664525 + 1013904223, got = want;
		own(self, &want, text + sizeof text - n, n);
		by_processor(&got, text + sizeof text - n, n);
		if (want != got)
			return 0;
	}
	return 1;
}

// The library's own function, and whether all calls go to it. Threads that come first
// together find the same.
static _Atomic(extend *) library;
static atomic_int decided; // 0: not yet, 1: by the processor, 2: by the library

static int decide(const void *self) {
	extend *own = (extend *)dlsym(RTLD_NEXT, NAME(EXTEND));
	int by = own == NULL || (__builtin_cpu_supports("sse4.2") && agrees(own, self)) ? 1 : 2;
	atomic_store(&library, own);
	atomic_store(&decided, by);
	return by;
}

// absl::lts_20230802::crc_internal::CRC32::Extend(uint32_t *crc, const void *bytes, size_t length) const
//
// crc is the register, which callers invert before and after (absl/crc/crc32c.cc).
__attribute__((visibility("default")))
void EXTEND(const void *self, uint32_t *crc, const void *bytes, size_t length) {
	int by = atomic_load_explicit(&decided, memory_order_acquire);
	if (by == 0)
		by = decide(self);
	if (by == 2)
		atomic_load(&library)(self, crc, bytes, length);
	else
		by_processor(crc, bytes, length);
}
#endif
