#include <stdio.h>
#include <string.h>

#include "benchmark.h"
#include "scan_trial.h"

// --- Threads -----------------------------------------------------------------

// `cpu` and `parallel`, at a wide shape and at a narrow one.
typedef struct {
    ScanTrial wide, narrow;
    ScanRun runs[4];  // cpu and parallel, wide; cpu and parallel, narrow
} Contest;

enum { WIDE_LENGTH = 2048, NARROW_WIDTH = 16, NARROW_LENGTH = 65536 };

static void contest_free(Contest *contest) {
    for (size_t i = 0; i < 4; i++)
        scan_run_free(&contest->runs[i]);
    scan_trial_free(&contest->wide);
    scan_trial_free(&contest->narrow);
}

static bool contest_new(Contest *contest, const Bench *bench, Error *err) {
    *contest = (Contest){0};
    const ScanBackend *cpu = scan_backend("cpu", err);
    const ScanBackend *parallel = scan_backend("parallel", err);
    const ScanTrial *wide = &contest->wide, *narrow = &contest->narrow;
    ScanRun *runs = contest->runs;
    if (cpu && parallel &&
        scan_trial_new(&contest->wide, bench_length(bench, WIDE_LENGTH),
                       bench->size.width, BENCH_STATES, err) &&
        scan_trial_new(&contest->narrow, bench_length(bench, NARROW_LENGTH),
                       NARROW_WIDTH, BENCH_STATES, err) &&
        scan_run_new(&runs[0], wide, cpu, 0, err) &&
        scan_run_new(&runs[1], wide, parallel, 0, err) &&
        scan_run_new(&runs[2], narrow, cpu, 0, err) &&
        scan_run_new(&runs[3], narrow, parallel, 0, err))
        return true;
    contest_free(contest);
    return false;
}

// Seconds of the four with so many threads.
static bool contest_measure(const Bench *bench, Contest *contest,
                            size_t threads, double seconds[4], Error *err) {
    Work works[4];
    Timing timings[4];
    for (size_t i = 0; i < 4; i++) {
        contest->runs[i].threads = threads;
        works[i] = (Work){scan_run, &contest->runs[i]};
    }
    bench_progress(bench, "scans with %zu threads", threads);
    if (!bench_measure(bench, timings, works, 4, err))
        return false;
    for (size_t i = 0; i < 4; i++)
        seconds[i] = timings[i].median;
    return true;
}

// 1, 2, 3, 4, 6, 8, 12, 16 .. and at last `most`; beyond it behind that.
static size_t grow(size_t n, size_t most) {
    size_t step = n & (n - 1) ? n / 3 : n / 2;
    size_t next = n + (step ? step : 1);
    return n < most && next > most ? most : next;
}

static bool threads_rows(Bench *bench, Contest *contest, Table *table,
                         Error *err) {
    size_t all = threads_now();
    double one[4], now[4];
    printf("  %8s%12s%12s%12s%12s\n", "threads", "D 1536 cpu", "parallel",
           "D 16 cpu", "parallel");
    for (size_t threads = 1; threads <= all; threads = grow(threads, all)) {
        if (!contest_measure(bench, contest, threads, now, err))
            return false;
        if (threads == 1)
            memcpy(one, now, sizeof one);
        double row[5] = {(double)threads};
        for (size_t i = 0; i < 4; i++)
            row[1 + i] = one[i / 2 * 2] / now[i];  // cpu's with one thread
        printf("  %8zu%12.2f%12.2f%12.2f%12.2f\n", threads, row[1], row[2],
               row[3], row[4]);
        table_row(table, row, 5);
        if (threads == 2) {
            target_at_least(bench, "two-threads-over-one", 1.85, row[1]);
            target_at_least(bench, "parallel-over-cpu-narrow", 1.5,
                            now[2] / now[3]);
        }
    }
    return true;
}

static bool run_threads(Bench *bench, Error *err) {
    Contest contest;
    Table table;
    if (!contest_new(&contest, bench, err))
        return false;
    printf("How many times as fast as cpu with one thread.\n\n");
    bool ok = bench_table(bench, &table, "threads.tsv",
                          "Speed, of cpu with one thread: D 1536, L 2048 and "
                          "D 16, L 65536; N 16",
                          "threads\twide_cpu\twide_parallel\tnarrow_cpu\t"
                          "narrow_parallel",
                          err) &&
              bench_table_end(&table,
                              threads_rows(bench, &contest, &table, err), err);
    contest_free(&contest);
    return ok;
}

const Benchmark benchmark_threads = {"threads", "What more threads are worth",
                                     run_threads};

// --- Channels ----------------------------------------------------------------

// Nanoseconds for an update by each of two backends, with all threads.
static bool channels_measure(const Bench *bench, size_t length, size_t channels,
                             double found[2], Error *err) {
    static const char *const names[2] = {"cpu", "parallel"};
    ScanTrial trial;
    ScanRun runs[2] = {{0}};
    Work works[2];
    Timing timings[2];
    if (!scan_trial_new(&trial, length, channels, BENCH_STATES, err))
        return false;
    bench_progress(bench, "scans of %zu channels", channels);
    bool ok = true;
    for (size_t i = 0; ok && i < 2; i++) {
        const ScanBackend *backend = scan_backend(names[i], err);
        ok = backend && scan_run_new(&runs[i], &trial, backend, 0, err);
        works[i] = (Work){scan_run, &runs[i]};
    }
    ok = ok && bench_measure(bench, timings, works, 2, err);
    for (size_t i = 0; i < 2; i++) {
        if (ok)
            found[i] = 1e9 * timings[i].median / scan_updates(&trial.scan);
        scan_run_free(&runs[i]);
    }
    scan_trial_free(&trial);
    return ok;
}

static bool channels_rows(Bench *bench, Table *table, Error *err) {
    size_t length = bench_length(bench, NARROW_LENGTH);
    double crossover = 0;  // none
    printf("  %8s%12s%12s   ns for an update\n", "channels", "cpu", "parallel");
    for (size_t strips = 1; strips <= 16; strips = grow(strips, 16)) {
        size_t channels = strips * NARROW_WIDTH;
        double row[3] = {(double)channels};
        if (!channels_measure(bench, length, channels, row + 1, err))
            return false;
        printf("  %8zu%12.3f%12.3f\n", channels, row[1], row[2]);
        table_row(table, row, 3);
        if (row[2] < row[1])
            crossover = row[0];  // the most channels so far for `parallel`
    }
    printf("\n");
    value("parallel-faster-up-to", crossover, 4);
    return true;
}

static bool run_channels(Bench *bench, Error *err) {
    Table table;
    return bench_table(bench, &table, "channels.tsv",
                       "Nanoseconds for a state update with all threads, N 16",
                       "channels\tcpu\tparallel", err) &&
           bench_table_end(&table, channels_rows(bench, &table, err), err);
}

const Benchmark benchmark_channels = {
    "channels", "Few channels: sequential or parallel in time", run_channels};
