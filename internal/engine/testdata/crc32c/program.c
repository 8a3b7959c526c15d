// Prints the library's checksum of "123456789", and how often it called its own function after
// the first call.
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

extern int own_calls;
uint32_t checksum(const void *bytes, size_t length);

int main(void) {
	checksum("123456789", 9);
	own_calls = 0;
	uint32_t got = checksum("123456789", 9);
	printf("%08x %d\n", got, own_calls);
	return 0;
}
