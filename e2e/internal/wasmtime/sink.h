#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A sink writes the standard output of a guest to that of the process.
struct sink {
	uint64_t delay; // delay of each call, in nanoseconds
	uint64_t piece; // the most bytes taken per call; 0 means no limit
	uint64_t left;  // bytes left to take before it fails
	bool fails;

	// The state of the calls. Another thread may read it.
	_Atomic uint64_t calls, returned; // number of calls started and returned
	_Atomic uint64_t offered;         // number of bytes passed to the last call
	_Atomic ptrdiff_t taken;          // result of the last call
};

ptrdiff_t sink_write(void *sink, const unsigned char *bytes, size_t size);
void sink_state(struct sink *sink, uint64_t *calls, uint64_t *returned, uint64_t *offered, ptrdiff_t *taken);
