// Every byte that the library's own code asks for comes from here, so that
// every allocation is checked, and so that the tests can put a room in its
// place in which any one of them fails (tests/failing_memory.c).
#ifndef MEMORY_H
#define MEMORY_H

#include <stddef.h>

#include "error.h"

// count * size bytes, zeroed, aligned to 64 (a cache line, and the widest
// vector). Never NULL on success, even for zero bytes. On failure NULL, and err
// says what the memory was for and how much.
void *allocate(size_t count, size_t size, const char *what, Error *err);

// Gives memory from allocate() back. NULL is fine.
void release(void *memory);

// a * b into product; false, and nothing written, where that does not fit.
bool multiply_sizes(size_t a, size_t b, size_t *product);

#endif
