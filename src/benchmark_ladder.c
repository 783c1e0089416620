#include "benchmark.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "memory.h"
#include "scan_ladder.h"
#include "scan_reference.h"
#include "scan_trial.h"

static const double nanoseconds = 1e9;

enum { LADDER_LENGTH = 2048, MOST_RUNGS = 12 };

// What is wanted of one thread depends on how many numbers it computes at once.
#if defined __AVX512F__
static const double wanted_per_update = 0.22;  // ns
#elif defined __AVX2__
static const double wanted_per_update = 0.30;
#else
static const double wanted_per_update = INFINITY;
#endif

// Nanoseconds for each of `count`: the median, the least, the most.
static void spread(double found[3], const Timing *timing, double count) {
    found[0] = nanoseconds * timing->median / count;
    found[1] = nanoseconds * timing->least / count;
    found[2] = nanoseconds * timing->most / count;
}

// A row for each rung, and one for the exponentials, which come last.
static void ladder_rows(Table *table, const Timing *timings, double updates,
                        double exponentials) {
    double found[3];
    printf("  %-14s%10s%10s%10s   ns for an update\n", "", "median", "least",
           "most");
    for (size_t i = 0; i <= n_scan_ladder; i++) {
        bool rung = i < n_scan_ladder;
        const char *name = rung ? scan_ladder[i]->name : "exponential";
        spread(found, &timings[i], rung ? updates : exponentials);
        printf("  %-14s%10.3f%10.3f%10.3f\n", name, found[0], found[1],
               found[2]);
        bench_row(table, name, found, 3);
    }
    printf("\n");
}

// All rungs with one thread, but the last, which has all.
static bool ladder_runs(ScanRun *runs, Work *works, const ScanTrial *trial,
                        Error *err) {
    for (size_t i = 0; i < n_scan_ladder; i++) {
        bool last = i + 1 == n_scan_ladder;
        if (!scan_run_new(&runs[i], trial, scan_ladder[i], last ? 0 : 1, err))
            return false;
        works[i] = (Work){scan_run, &runs[i]};
    }
    return true;
}

static bool ladder_measure(Bench *bench, const ScanTrial *trial, Table *table,
                           Error *err) {
    ScanRun runs[MOST_RUNGS] = {{0}};
    Work works[MOST_RUNGS + 1];
    Timing timings[MOST_RUNGS + 1];
    size_t n = n_scan_ladder;
    double updates = scan_updates(&trial->scan);
    Exponentials exponentials = exponentials_new((size_t)updates);
    works[n] = (Work){exponentials_run, &exponentials};
    bench_progress(bench, "the ladder");
    bool ok = n <= MOST_RUNGS && ladder_runs(runs, works, trial, err) &&
              bench_measure(bench, timings, works, n + 1, err);
    if (ok) {
        double count = exponentials_count(&exponentials);
        ladder_rows(table, timings, updates, count);
        // The last rung but one: one thread.
        double update = timings[n - 2].median / updates;
        double alone = timings[n].median / count;
        target_at_most(bench, "scan-over-exponentials", 1.5, update / alone);
        target_at_most(bench, "scan-ns-per-update", wanted_per_update,
                       nanoseconds * update);
    }
    for (size_t i = 0; i < n; i++)
        scan_run_free(&runs[i]);
    return ok;
}

// The largest error of y, for a scan that begins with h = 0.
static bool largest_error(double *error, const ScanTrial *trial,
                          const char *backend, const double *exact,
                          Error *err) {
    const Scan *scan = &trial->scan;
    ScanRun run;
    const ScanBackend *found = scan_backend(backend, err);
    if (!found || !scan_run_new(&run, trial, found, 0, err))
        return false;
    memset(scan->h, 0, scan->d_inner * scan->d_state * sizeof *scan->h);
    bool ok = scan_run(&run, err);
    *error = 0;
    for (size_t i = 0; i < scan->length * scan->d_inner; i++)
        *error = larger(*error, fabs((double)scan->y[i] - exact[i]));
    scan_run_free(&run);
    return ok;
}

// How the errors of `cpu` and of the formula compare, against double precision.
static bool compare_errors(Bench *bench, Error *err) {
    const size_t channels = 64, states = channels * BENCH_STATES;
    const size_t length = bench_length(bench, 1024);
    ScanTrial trial;
    double *exact = allocate(length * channels + states, sizeof *exact,
                             "a scan in double precision", err);
    if (!exact ||
        !scan_trial_new(&trial, length, channels, BENCH_STATES, err)) {
        release(exact);
        return false;
    }
    scan_in_double(&trial.scan, exact + length * channels, exact);
    double naive, cpu;
    bool ok = largest_error(&naive, &trial, "reference", exact, err) &&
              largest_error(&cpu, &trial, "cpu", exact, err);
    if (ok)
        target_at_most(bench, "scan-error-over-naive", 4, cpu / naive);
    scan_trial_free(&trial);
    release(exact);
    return ok;
}

static bool run_ladder(Bench *bench, Error *err) {
    ScanTrial trial;
    Table table;
    if (!scan_trial_new(&trial, bench_length(bench, LADDER_LENGTH),
                        bench->size.width, BENCH_STATES, err))
        return false;
    bool ok =
        bench_table(bench, &table, "ladder.tsv",
                    "Nanoseconds for a state update, D 1536, N 16, L 2048: one "
                    "thread, the last rung all",
                    "rung\tmedian\tleast\tmost", err) &&
        bench_table_end(&table, ladder_measure(bench, &trial, &table, err),
                        err);
    scan_trial_free(&trial);
    return ok && compare_errors(bench, err);
}

const Benchmark benchmark_ladder = {
    "ladder", "From the formula to the fast scan, rung by rung", run_ladder};
