// How long something takes: warmed up, repeated, medians with their spread.
#ifndef MEASURE_H
#define MEASURE_H

#include <stddef.h>

#include "error.h"

// Something to be timed, with what it works on. It returns false, with err
// saying why, only where it could not be done at all.
typedef struct {
    bool (*run)(void *context, Error *err);
    void *context;
} Work;

// What was found, in seconds for one run. Whatever else a machine does makes
// runs longer, never shorter, so that `least` says what the work costs,
// `median` what it costs as a rule, and `most` how far to trust the two.
typedef struct {
    double least, median, most;
    size_t runs;  // that were timed
} Timing;

// No work is timed less often than this, or more often; only what takes longer
// than MEASURE_LONG seconds may be timed less often, but once.
enum { MEASURE_LEAST = 3, MEASURE_MOST = 999, MEASURE_LONG = 20 };

// Times n works. Each runs once untimed, then all take turns, round after
// round, until that has taken `seconds` (of all together). Because of the turns
// a machine that slows down for a while does so for all of them, and their
// ratios stay what they are.
bool measure(Timing *timings, const Work *works, size_t n,  // (n)
             double seconds, Error *err);

// The one that stands in the middle of n numbers in order, the mean of two
// where n is even; NaN for n = 0 and where one of them is NaN. Puts them in
// order.
double median(double *numbers, size_t n);

// Numbers to measure with, uniform from low to high: the first 40,009 of n are
// random, and the rest repeat them, so that a gigabyte is filled in no time.
void fill_uniform(float *numbers, size_t n, double low, double high);

// How many threads a loop has now: at the start the cores, or OMP_NUM_THREADS;
// always 1 in a build without OpenMP.
size_t threads_now(void);

// From now on loops have n threads; 1 in a build without OpenMP. Returns how
// many they had before, for putting them back.
size_t threads_use(size_t n);

#endif
