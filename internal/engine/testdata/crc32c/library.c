// A library that has the function of crc32c.c itself, and calls it as libtensorflow does.
#include <stddef.h>
#include <stdint.h>

int own_calls;

void _ZNK4absl12lts_2023080212crc_internal5CRC326ExtendEPjPKvm(const void *self, uint32_t *crc, const void *bytes, size_t length) {
	(void)self;
	own_calls++;
	for (size_t i = 0; i < length; i++) {
		*crc ^= ((const uint8_t *)bytes)[i];
		for (int bit = 0; bit < 8; bit++)
			*crc = *crc >> 1 ^ (*crc & 1 ? POLYNOMIAL : 0);
	}
}

uint32_t checksum(const void *bytes, size_t length) {
	uint32_t crc = 0xFFFFFFFF;
	_ZNK4absl12lts_2023080212crc_internal5CRC326ExtendEPjPKvm(NULL, &crc, bytes, length);
	return ~crc;
}
