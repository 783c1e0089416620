#include "measure.h"

#include <math.h>
#include <stdlib.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "clock.h"
#include "memory.h"
#include "random.h"

static int compare_numbers(const void *a, const void *b) {
    double one = *(const double *)a, other = *(const double *)b;
    return (one > other) - (one < other);
}

double median(double *numbers, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (isnan(numbers[i]))
            return NAN;  // which has no place in any order
    if (n == 0)
        return NAN;
    qsort(numbers, n, sizeof *numbers, compare_numbers);
    return (numbers[(n - 1) / 2] + numbers[n / 2]) / 2;
}

// Times one run of every work into its row of (n, MEASURE_MOST), at `round`.
static bool one_round(double *times, const Work *works, size_t n, size_t round,
                      Error *err) {
    for (size_t i = 0; i < n; i++) {
        double begin = seconds_now();
        if (!works[i].run(works[i].context, err))
            return false;
        times[i * MEASURE_MOST + round] = seconds_now() - begin;
    }
    return true;
}

// After so many rounds, in so many seconds: is one more wanted?
static bool wants_more(size_t rounds, double spent, double seconds) {
    if (rounds < MEASURE_LEAST)
        return rounds == 0 || spent < MEASURE_LONG;
    return rounds < MEASURE_MOST && spent < seconds;
}

bool measure(Timing *timings, const Work *works, size_t n, double seconds,
             Error *err) {
    double *times =
        allocate(n * MEASURE_MOST, sizeof *times, "the times of runs", err);
    if (!times)
        return false;

    // The first round is overwritten: it found the caches cold.
    bool ok = one_round(times, works, n, 0, err);
    double begin = seconds_now();
    size_t rounds = 0;
    for (double spent = 0; ok && wants_more(rounds, spent, seconds);
         spent = seconds_now() - begin)
        ok = one_round(times, works, n, rounds++, err);

    for (size_t i = 0; ok && i < n; i++) {
        double *own = times + i * MEASURE_MOST;
        double middle = median(own, rounds);
        timings[i] = (Timing){.least = own[0],
                              .median = middle,
                              .most = own[rounds - 1],
                              .runs = rounds};
    }
    release(times);
    return ok;
}

void fill_uniform(float *numbers, size_t n, double low, double high) {
    const size_t period = 40009;
    Random random = random_from_seed(n);
    for (size_t i = 0; i < n; i++)
        numbers[i] = i < period ? (float)random_uniform(&random, low, high)
                                : numbers[i - period];
}

#ifdef _OPENMP
size_t threads_now(void) {
    return (size_t)omp_get_max_threads();
}

size_t threads_use(size_t n) {
    size_t before = threads_now();
    omp_set_num_threads((int)n);
    return before;
}
#else
size_t threads_now(void) {
    return 1;
}

size_t threads_use(size_t n) {
    (void)n;
    return 1;
}
#endif
