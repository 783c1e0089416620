// Where a measurement comes from: without it a time means nothing.
#ifndef PROVENANCE_H
#define PROVENANCE_H

#include <stddef.h>

// "<processor>, <n> cores; <compiler> <flags>; <date>" of this machine, of this
// build and of today (in UTC, 2024-02-29), cut to size bytes.
void provenance(char *text, size_t size);

#endif
