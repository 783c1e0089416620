// The ground floor's memory for tests: src/memory.c behind a counter, which can
// make any one allocation fail. It is linked in the place of src/memory.o.
//
// To prove that a function survives every lack of memory:
//
//     for (size_t n = 1;; n++) {
//         memory_fail_at(n);
//         bool ok = function(&err);
//         bool failed = memory_failed();
//         memory_fail_at(0);
//         ... ok must be !failed, and memory_live() what it was ...
//         if (!failed)
//             break;  // n is more than the function allocates
//     }
//
// The counters belong to the process (Criterion gives each test its own) and
// are not locked: one thread allocates.
#ifndef FAILING_MEMORY_H
#define FAILING_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

// From now on the n-th allocation fails, once; with 0 none does.
void memory_fail_at(size_t n);

// Did that allocation come, and fail?
bool memory_failed(void);

// How many allocations were asked for since memory_fail_at() or the start.
size_t memory_asked(void);

// How many allocations are not yet released.
size_t memory_live(void);

// Aborts where anything is still allocated. With the address sanitizer this
// asks about all memory, whoever allocated it. Every suite ends its tests with
// it, because Criterion takes no notice of leaks, nor of assertions at a test's
// end; an abort it reports as a crash, and its exit status is 1:
//
//     TestSuite(scan, .fini = nothing_leaks);
void nothing_leaks(void);

// malloc() and free() through the same counters, for cJSON_InitHooks().
void *failing_malloc(size_t size);
void failing_free(void *memory);

#endif
