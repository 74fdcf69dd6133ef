#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A sink passes on to the process's standard output what a guest writes to its own.
struct sink {
	uint64_t delay; // before each call, in nanoseconds
	uint64_t piece; // bytes taken per call at most; 0: all
	uint64_t left;  // bytes taken until it fails
	bool fails;

	// What has happened so far, for who asks on another thread.
	_Atomic uint64_t calls, returned; // numbers of calls
	_Atomic uint64_t offered;         // bytes of the last call
	_Atomic ptrdiff_t taken;          // what the last call returned
};

ptrdiff_t sink_write(void *sink, const unsigned char *bytes, size_t size);
void sink_state(struct sink *sink, uint64_t *calls, uint64_t *returned, uint64_t *offered, ptrdiff_t *taken);
