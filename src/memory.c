#include "memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

bool multiply_sizes(size_t a, size_t b, size_t *product) {
    if (b != 0 && a > SIZE_MAX / b)
        return false;
    *product = a * b;
    return true;
}

void *allocate(size_t count, size_t size, const char *what, Error *err) {
    size_t bytes;
    if (!multiply_sizes(count, size, &bytes) || bytes > SIZE_MAX / 2) {
        fail(err,
             "memory for %s: wanted %zu times %zu bytes, found no such number",
             what, count, size);
        return NULL;
    }
    size_t padded = (bytes / ALIGNMENT + 1) * ALIGNMENT;
    void *memory = aligned_alloc(ALIGNMENT, padded);
    if (!memory) {
        fail(err, "memory for %s: wanted %zu bytes, found no room", what,
             bytes);
        return NULL;
    }
    return memset(memory, 0, padded);
}

void release(void *memory) {
    free(memory);
}
