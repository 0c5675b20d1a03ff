#pragma once
#include <stdbool.h>
#include <stddef.h>

// Read-only maps of files whose pages may be gone when they are read: a file that was shortened, a disk or a server that
// fails. The system answers such a read with SIGBUS. For registered maps the handler puts zeros from that page to the map's
// end and marks the map as lost, so that the reader goes on to the place where it asks; for all other addresses the action
// that was there before takes over. In C, because a Swift function is not safe in a signal handler.

// Installs the handler with the first map. Returns the map's number, -1 when there are too many maps or no handler.
int CMappedFiles_add(const void *start, size_t byteCount);

// Whether a page of the map was missing when it was read.
bool CMappedFiles_isLost(int number);

// Call before the map is removed.
void CMappedFiles_remove(int number);
