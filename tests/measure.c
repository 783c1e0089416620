// Measuring: how often, in which order, and what is made of the times. What the
// times are is no test's business.
#include "measure.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "compare.h"
#include "failing_memory.h"

TestSuite(measure, .fini = nothing_leaks);

// --- Medians -----------------------------------------------------------------

Test(measure, median_of_odd_and_even_counts) {
    cr_assert_eq(median((double[]){7}, 1), 7);
    cr_assert_eq(median((double[]){9, 1}, 2), 5);
    cr_assert_eq(median((double[]){3, 1, 2}, 3), 2);
    cr_assert_eq(median((double[]){4, 1, 3, 2}, 4), 2.5);
    cr_assert_eq(median((double[]){-1, -INFINITY, INFINITY}, 3), -1);
    cr_assert(isnan(median(NULL, 0)));
}

Test(measure, median_of_nan_is_nan_wherever_it_stands) {
    for (size_t place = 0; place < 5; place++) {
        double numbers[] = {5, 1, 4, 2, 3};
        numbers[place] = NAN;
        cr_assert(isnan(median(numbers, 5)), "NaN at %zu", place);
    }
}

// By its definition: as many numbers lie on the one side as on the other.
Test(measure, median_parts_numbers_into_halves) {
    for (uint64_t seed = 0; seed < 300; seed++) {
        Random random = random_from_seed(seed);
        size_t n = random_count(&random, 1, 40), below = 0, above = 0;
        double *numbers = new_doubles(n);
        for (size_t i = 0; i < n; i++)  // some of them equal
            numbers[i] = floor(random_uniform(&random, -9, 9));
        double middle = median(numbers, n);
        for (size_t i = 0; i < n; i++) {
            below += numbers[i] < middle;
            above += numbers[i] > middle;
            if (i > 0 && !(numbers[i - 1] <= numbers[i]))
                cr_assert_fail("seed %zu: wanted them in order", (size_t)seed);
        }
        if (!(below <= n / 2 && above <= n / 2))
            cr_assert_fail("seed %zu: wanted halves, found %zu and %zu of %zu",
                           (size_t)seed, below, above, n);
        free(numbers);
    }
}

// --- Runs --------------------------------------------------------------------

// A work that writes its letter down, and fails in the run of that number.
typedef struct {
    char letter, *log;
    size_t runs, fails_at;
} Scribe;

static bool scribble(void *context, Error *err) {
    Scribe *scribe = context;
    scribe->runs++;
    size_t length = strlen(scribe->log);
    if (length < 30)
        scribe->log[length] = scribe->letter;
    if (scribe->runs == scribe->fails_at)
        return fail(err, "device: wanted one, found none");
    return true;
}

// Even with no time at all: once untimed, then the least number of rounds.
Test(measure, works_take_turns) {
    char log[40] = "";
    Scribe a = {'a', log, 0, 0}, b = {'b', log, 0, 0}, c = {'c', log, 0, 0};
    const Work works[] = {{scribble, &a}, {scribble, &b}, {scribble, &c}};
    Timing timings[3];
    Error err;
    cr_assert(measure(timings, works, 3, 0, &err), "%s", err.text);
    cr_assert_str_eq(log, "abcabcabcabc");
    for (size_t i = 0; i < 3; i++) {
        const Timing *found = &timings[i];
        cr_assert_eq(found->runs, MEASURE_LEAST);
        cr_assert(found->least >= 0 && found->least <= found->median &&
                  found->median <= found->most);
    }
}

Test(measure, no_works_no_timings) {
    Error err;
    cr_assert(measure(NULL, NULL, 0, 0, &err));
}

// What takes no time is run as often as allowed, not until the time is over.
Test(measure, rounds_are_limited) {
    char log[40] = "";
    Scribe scribe = {'x', log, 0, 0};
    Timing timing;
    Error err;
    cr_assert(measure(&timing, &(Work){scribble, &scribe}, 1, 1e9, &err));
    cr_assert_eq(timing.runs, MEASURE_MOST);
    cr_assert_eq(scribe.runs, MEASURE_MOST + 1);
}

// Takes as long as it is told, by the clock that measures it.
static bool wait_a_while(void *context, Error *err) {
    (void)err;
    double end = seconds_now() + *(double *)context;
    while (!(seconds_now() >= end))
        ;
    return true;
}

// No run is shorter than what it does: each time belongs to its own work, in
// seconds. How much longer it is nobody knows.
Test(measure, times_are_seconds_of_their_own_work) {
    double little = 1e-4, much = 4e-3;
    const Work works[] = {{wait_a_while, &much}, {wait_a_while, &little}};
    Timing timings[2];
    Error err;
    cr_assert(measure(timings, works, 2, 0, &err));
    cr_assert_geq(timings[0].least, much);
    cr_assert_geq(timings[1].least, little);
}

Test(measure, a_work_that_fails_ends_it) {
    Error err;
    Timing timing;
    for (size_t at = 1; at <= MEASURE_LEAST + 1; at++) {
        char log[40] = "";
        Scribe scribe = {'x', log, 0, at};
        cr_assert(!measure(&timing, &(Work){scribble, &scribe}, 1, 0, &err));
        cr_assert_eq(scribe.runs, at);
        cr_assert_str_eq(err.text, "device: wanted one, found none");
    }
}

Test(measure, lack_of_memory_is_an_error) {
    char log[40] = "";
    Scribe scribe = {'x', log, 0, 0};
    Timing timing;
    Error err;
    memory_fail_at(1);
    bool ok = measure(&timing, &(Work){scribble, &scribe}, 1, 0, &err);
    memory_fail_at(0);
    cr_assert(!ok && scribe.runs == 0);
    cr_assert(strstr(err.text, "the times of runs"), "%s", err.text);
}

// --- Threads -----------------------------------------------------------------

Test(measure, threads_are_put_back) {
    size_t all = threads_now();
    cr_assert_geq(all, 1);
    cr_assert_eq(threads_use(1), all);
    cr_assert_eq(threads_now(), 1);
    cr_assert_eq(threads_use(all), 1);
    cr_assert_eq(threads_now(), all);
}
