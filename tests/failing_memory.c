#include "failing_memory.h"

#include <stdio.h>
#include <stdlib.h>

#include "memory.h"

// gcc and clang say in different ways that they build with the sanitizer.
#if defined(__SANITIZE_ADDRESS__)
#define LEAKS_SEEN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LEAKS_SEEN 1
#endif
#endif

#ifdef LEAKS_SEEN
#include <sanitizer/lsan_interface.h>

// The sanitizer asks for these when it starts. A request for too much memory
// returns NULL, as it does without it; what LLVM's OpenMP keeps for threads it
// once had is not ours.
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "allocator_may_return_null=1:leak_check_at_exit=0";
}

const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:libomp";
}

const char *__lsan_default_options(void);
const char *__lsan_default_options(void) {
    return "print_suppressions=0";
}
#endif

// The real room, under other names: declared static here, the definitions of
// memory.c stay within this file.
static void *real_allocate(size_t count, size_t size, const char *what,
                           Error *err);
static void real_release(void *memory);
#define allocate real_allocate
#define release real_release
#include "../src/memory.c"
#undef allocate
#undef release

static size_t asked, live, failing;

void memory_fail_at(size_t n) {
    asked = 0;
    failing = n;
}

bool memory_failed(void) {
    return failing != 0 && asked >= failing;
}

size_t memory_asked(void) {
    return asked;
}

size_t memory_live(void) {
    return live;
}

// Counts one request; true where it is the one that has to fail.
static bool fails_now(void) {
    return ++asked == failing;
}

static void *count_live(void *memory) {
    live += memory != NULL;
    return memory;
}

void *allocate(size_t count, size_t size, const char *what, Error *err) {
    if (!fails_now())
        return count_live(real_allocate(count, size, what, err));
    fail(err, "memory for %s: wanted %zu bytes, found no room", what,
         count * size);
    return NULL;
}

void release(void *memory) {
    live -= memory != NULL;
    real_release(memory);
}

void nothing_leaks(void) {
    bool leaks = live > 0;
    if (leaks)
        fprintf(stderr, "wanted all memory released, found %zu allocations\n",
                live);
#ifdef LEAKS_SEEN
    leaks = __lsan_do_recoverable_leak_check() != 0 || leaks;
#endif
    if (leaks)
        abort();
}

void *failing_malloc(size_t size) {
    return fails_now() ? NULL : count_live(malloc(size));
}

void failing_free(void *memory) {
    live -= memory != NULL;
    free(memory);
}
