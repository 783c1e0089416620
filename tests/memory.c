// Memory: checked, zeroed and aligned; and the counters of the test bench,
// which every test of a lack of memory trusts.
#include "memory.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#include "failing_memory.h"

TestSuite(memory, .fini = nothing_leaks);

Test(memory, is_zeroed_and_aligned_even_when_used_before) {
    Error err;
    for (size_t bytes = 0; bytes < 300; bytes++) {
        unsigned char *used = allocate(bytes, 1, "bytes", &err);
        cr_assert(used);
        memset(used, 0xff, bytes);
        release(used);

        unsigned char *memory = allocate(bytes, 1, "bytes", &err);
        cr_assert(memory, "wanted %zu bytes, found NULL", bytes);
        cr_assert_eq((uintptr_t)memory % 64, 0);
        for (size_t i = 0; i < bytes; i++)
            if (memory[i] != 0)
                cr_assert_fail("byte %zu of %zu: wanted 0, found %d", i, bytes,
                               memory[i]);
        release(memory);
    }
}

Test(memory, has_room_for_count_times_size_bytes) {
    Error err;
    enum { COUNT = 1000, SIZE = 24 };
    unsigned char *one = allocate(COUNT, SIZE, "one", &err);
    unsigned char *other = allocate(SIZE, COUNT, "other", &err);
    cr_assert(one && other);
    memset(one, 1, COUNT * SIZE);
    memset(other, 2, COUNT * SIZE);
    for (size_t i = 0; i < COUNT * SIZE; i++)
        if (one[i] != 1 || other[i] != 2)
            cr_assert_fail("byte %zu: wanted 1 and 2, found %d and %d", i,
                           one[i], other[i]);
    release(one);
    release(other);
}

Test(memory, of_no_bytes_is_not_null) {
    Error err;
    void *memory = allocate(0, 8, "nothing", &err);
    void *other = allocate(8, 0, "nothing", &err);
    cr_assert(memory && other && memory != other);
    release(memory);
    release(other);
    release(NULL);
}

Test(memory, that_no_number_can_count_is_an_error) {
    Error err;
    cr_assert_null(allocate(SIZE_MAX, 2, "the cache", &err));
    Error wanted;
    fail(&wanted,
         "memory for the cache: wanted %zu times 2 bytes, found no such number",
         SIZE_MAX);
    cr_assert_str_eq(err.text, wanted.text);

    // 2^33 * 2^33 bytes would be four, were the product cut to 64 bits.
    size_t half = (size_t)1 << (sizeof(size_t) * 4 + 1);
    cr_assert_null(allocate(half, half, "the cache", &err));
    // Padding must not wrap around either.
    cr_assert_null(allocate(SIZE_MAX, 1, "the cache", &err));
    cr_assert_null(allocate(SIZE_MAX - 1, 1, "the cache", &err));
}

Test(memory, that_is_not_there_is_an_error) {
    Error err;
    size_t most = SIZE_MAX / 2;
    cr_assert_null(allocate(most, 1, "a model", &err));
    Error wanted;
    fail(&wanted, "memory for a model: wanted %zu bytes, found no room", most);
    cr_assert_str_eq(err.text, wanted.text);
    cr_assert_eq(memory_live(), 0);
}

Test(memory, sizes_multiply_or_do_not_fit) {
    size_t product = 7;
    cr_assert(multiply_sizes(6, 9, &product) && product == 54);
    cr_assert(multiply_sizes(0, SIZE_MAX, &product) && product == 0);
    cr_assert(multiply_sizes(SIZE_MAX, 0, &product) && product == 0);
    cr_assert(multiply_sizes(1, SIZE_MAX, &product) && product == SIZE_MAX);
    cr_assert(multiply_sizes(SIZE_MAX, 1, &product) && product == SIZE_MAX);
    // 2^64 - 1 and 2^32 - 1 are multiples of 3.
    cr_assert(multiply_sizes(3, SIZE_MAX / 3, &product));
    cr_assert_eq(product, SIZE_MAX);

    product = 7;
    cr_assert(!multiply_sizes(2, SIZE_MAX / 2 + 1, &product));
    cr_assert(!multiply_sizes(SIZE_MAX / 2 + 1, 2, &product));
    cr_assert(!multiply_sizes(3, SIZE_MAX / 3 + 1, &product));
    cr_assert(!multiply_sizes(SIZE_MAX, SIZE_MAX, &product));
    cr_assert_eq(product, 7, "wanted nothing written, found %zu", product);
}

// --- The bench ---------------------------------------------------------------

Test(memory, the_bench_counts_what_is_live) {
    Error err;
    void *one = allocate(1, 1, "one", &err);
    void *two = failing_malloc(2);
    cr_assert_eq(memory_live(), 2);
    cr_assert_eq(memory_asked(), 2);
    release(one);
    cr_assert_eq(memory_live(), 1);
    failing_free(two);
    release(NULL);
    failing_free(NULL);
    cr_assert_eq(memory_live(), 0);
}

// Allocates three times, in both ways; true when all three came.
static bool allocate_three(Error *err) {
    void *one = allocate(3, 4, "one", err);
    void *two = failing_malloc(2);
    void *three = allocate(5, 6, "three", err);
    bool ok = one && two && three;
    release(one);
    failing_free(two);
    release(three);
    return ok;
}

Test(memory, the_bench_makes_any_one_allocation_fail) {
    Error err;
    for (size_t n = 1; n <= 4; n++) {
        memory_fail_at(n);
        bool ok = allocate_three(&err);
        cr_assert_eq(ok, n > 3);
        cr_assert_eq(memory_failed(), n <= 3);
        cr_assert_eq(memory_asked(), 3);
        cr_assert_eq(memory_live(), 0);
    }
    memory_fail_at(0);
    cr_assert(allocate_three(&err));
    cr_assert(!memory_failed());
}

Test(memory, the_bench_fails_with_the_message_of_the_real_room) {
    Error err;
    memory_fail_at(1);
    cr_assert_null(allocate(3, 4, "a test", &err));
    cr_assert_str_eq(err.text,
                     "memory for a test: wanted 12 bytes, found no room");
}
