#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "sink.h"

// take writes bytes to standard output as the settings of s allow. It returns the number of
// bytes written, or a negative errno.
static ptrdiff_t take(struct sink *s, const unsigned char *bytes, size_t size) {
	if (s->delay > 0) {
		struct timespec t = {s->delay / 1000000000, s->delay % 1000000000};
		nanosleep(&t, NULL);
	}
	if (s->fails && s->left == 0)
		return -EIO;
	if (s->piece > 0 && size > s->piece)
		size = s->piece;
	if (s->fails && size > s->left)
		size = s->left;
	for (size_t done = 0; done < size;) {
		ssize_t n = write(STDOUT_FILENO, bytes + done, size - done);
		if (n < 0)
			return -errno;
		done += n;
	}
	s->left -= size;
	return size;
}

// Wasmtime calls sink_write on its own thread, while the guest runs or waits.
ptrdiff_t sink_write(void *data, const unsigned char *bytes, size_t size) {
	struct sink *s = data;
	s->offered = size;
	s->calls++;
	ptrdiff_t taken = take(s, bytes, size);
	s->taken = taken;
	s->returned++;
	return taken;
}

void sink_state(struct sink *s, uint64_t *calls, uint64_t *returned, uint64_t *offered, ptrdiff_t *taken) {
	*calls = s->calls;
	*returned = s->returned;
	*offered = s->offered;
	*taken = s->taken;
}
