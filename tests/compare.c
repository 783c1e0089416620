#include "compare.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef _OPENMP
#include <omp.h>
#endif

// --- Numbers -----------------------------------------------------------------

void compare_number(const char *what, size_t i, double got, double wanted,
                    double bound) {
    if (got == wanted)
        return;
    // Nothing but itself is near infinity.
    if (isinf(wanted))
        bound = 0;
    double difference = fabs(got - wanted);
    if (!(difference <= bound))
        cr_assert_fail(
            "%s: number %zu: wanted %.9g, found %.9g: they differ by "
            "%.3g, the bound is %.3g",
            what, i, wanted, got, difference, bound);
}

double last_place(double x) {
    // 24 significant bits, and nothing finer than the least number's.
    int exponent = x == 0 ? FLT_MIN_EXP : ilogb(x) + 1;
    return ldexp(1, (exponent < FLT_MIN_EXP ? FLT_MIN_EXP : exponent) -
                        FLT_MANT_DIG);
}

static double bound_of(Tolerance tolerance, double wanted) {
    return fmax(tolerance.absolute, tolerance.relative * fabs(wanted));
}

void compare(const char *what, const float *got, const float *wanted,
             size_t count, Tolerance tolerance) {
    for (size_t i = 0; i < count; i++)
        compare_number(what, i, got[i], wanted[i],
                       bound_of(tolerance, wanted[i]));
}

void compare_to_double(const char *what, const float *got, const double *wanted,
                       size_t count, Tolerance tolerance) {
    for (size_t i = 0; i < count; i++)
        compare_number(what, i, got[i], wanted[i],
                       bound_of(tolerance, wanted[i]));
}

void compare_doubles(const char *what, const double *got, const double *wanted,
                     size_t count, Tolerance tolerance) {
    for (size_t i = 0; i < count; i++)
        compare_number(what, i, got[i], wanted[i],
                       bound_of(tolerance, wanted[i]));
}

void compare_scaled(const char *what, const float *got, const double *wanted,
                    const double *scale, size_t count, Tolerance tolerance) {
    for (size_t i = 0; i < count; i++)
        compare_number(what, i, got[i], wanted[i],
                       bound_of(tolerance, scale[i]));
}

void compare_bits(const char *what, const float *got, const float *wanted,
                  size_t count) {
    for (size_t i = 0; i < count; i++)
        if (memcmp(&got[i], &wanted[i], sizeof *got) != 0)
            cr_assert_fail("%s: number %zu: wanted the bits of %a, found %a",
                           what, i, wanted[i], got[i]);
}

// --- Cases -------------------------------------------------------------------

Label label(const char *format, ...) {
    Label made;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(made.text, sizeof made.text, format, arguments);
    va_end(arguments);
    return made;
}

// malloc() that fails the test; for no bytes too it returns memory.
static void *take(size_t count, size_t size) {
    void *memory = malloc(count * size);
    cr_assert(memory || count == 0, "no memory for the test");
    return memory;
}

float *new_floats(size_t count) {
    float *numbers = take(count, sizeof *numbers);
    for (size_t i = 0; i < count; i++)
        numbers[i] = NAN;
    return numbers;
}

double *new_doubles(size_t count) {
    double *numbers = take(count, sizeof *numbers);
    for (size_t i = 0; i < count; i++)
        numbers[i] = 0;
    return numbers;
}

float *copy_floats(const float *numbers, size_t count) {
    float *copy = take(count, sizeof *copy);
    if (count > 0)
        memcpy(copy, numbers, count * sizeof *copy);
    return copy;
}

float *random_floats(Random *random, size_t count, double low, double high) {
    float *numbers = take(count, sizeof *numbers);
    for (size_t i = 0; i < count; i++)
        numbers[i] = (float)random_uniform(random, low, high);
    return numbers;
}

float *random_magnitudes(Random *random, size_t count, double scale) {
    float *numbers = take(count, sizeof *numbers);
    for (size_t i = 0; i < count; i++) {
        double size = scale * pow(10, random_uniform(random, -3, 3));
        numbers[i] = (float)(random_bits(random) & 1 ? size : -size);
    }
    return numbers;
}

float *floats_of_all_sizes(size_t *count) {
    const uint32_t stride = 9973;
    float *numbers = new_floats(UINT32_MAX / stride + 1);
    *count = 0;
    for (uint64_t bits = 0; bits <= UINT32_MAX; bits += stride) {
        uint32_t low = (uint32_t)bits;
        memcpy(&numbers[*count], &low, sizeof low);
        if (isfinite(numbers[*count]))
            ++*count;
    }
    return numbers;
}

size_t random_count(Random *random, size_t least, size_t most) {
    return least + (size_t)(random_bits(random) % (most - least + 1));
}

enum { ALIGNMENT = 64, UNTOUCHED = 0xff };

// How many bytes stand behind a workspace.
static size_t behind(size_t bytes) {
    return 4096 + 2 * bytes;
}

void *new_workspace(size_t bytes) {
    void *workspace;
    size_t all = bytes + behind(bytes);
    int reason = posix_memalign(&workspace, ALIGNMENT, all);
    cr_assert(reason == 0, "no memory for the test");
    return memset(workspace, UNTOUCHED, all);
}

void check_workspace(const char *what, void *workspace, size_t bytes) {
    const unsigned char *byte = workspace;
    for (size_t i = bytes; i < bytes + behind(bytes); i++)
        if (byte[i] != UNTOUCHED)
            cr_assert_fail("%s: wanted %zu bytes of workspace to be enough, "
                           "found byte %zu written",
                           what, bytes, i);
    free(workspace);
}

void use_threads(int threads) {
#ifdef _OPENMP
    omp_set_num_threads(threads);
#else
    (void)threads;
#endif
}

// --- What a function prints --------------------------------------------------

// Sends a descriptor's output to a file without a name, and returns where it
// went before.
static int redirect(int descriptor) {
    int saved = dup(descriptor);
    FILE *file = tmpfile();
    cr_assert(saved >= 0 && file, "no file to capture output with");
    cr_assert(dup2(fileno(file), descriptor) >= 0);
    fclose(file);
    return saved;
}

// Reads what was sent there, and sends the output back to where it went.
static void restore(int descriptor, int saved, char *text, size_t size) {
    ssize_t length = pread(descriptor, text, size - 1, 0);
    cr_assert(length >= 0, "cannot read captured output");
    text[length] = '\0';
    cr_assert(dup2(saved, descriptor) >= 0);
    close(saved);
}

void capture_begin(Captured *captured) {
    fflush(stdout);
    fflush(stderr);
    captured->saved_out = redirect(STDOUT_FILENO);
    captured->saved_err = redirect(STDERR_FILENO);
}

void capture_end(Captured *captured) {
    fflush(stdout);
    fflush(stderr);
    restore(STDOUT_FILENO, captured->saved_out, captured->out,
            sizeof captured->out);
    restore(STDERR_FILENO, captured->saved_err, captured->err,
            sizeof captured->err);
}
