#include <math.h>
#include <stdio.h>
#include <string.h>

#include "attention_trial.h"
#include "benchmark.h"
#include "machine.h"
#include "scan_trial.h"

// --- States ------------------------------------------------------------------

enum { N_STATES = 3 };
static const size_t state_counts[N_STATES] = {4, BENCH_STATES, 64};

// Nanoseconds for a token at each N.
static bool states_measure(const Bench *bench, size_t length,
                           double found[N_STATES], Error *err) {
    ScanTrial trials[N_STATES];
    ScanRun runs[N_STATES] = {{0}};
    Work works[N_STATES];
    Timing timings[N_STATES];
    const ScanBackend *cpu = scan_backend("cpu", err);
    memset(trials, 0, sizeof trials);
    bool ok = cpu != NULL;
    bench_progress(bench, "scans of %zu steps", length);
    for (size_t i = 0; ok && i < N_STATES; i++) {
        ok = scan_trial_new(&trials[i], length, bench->size.width,
                            state_counts[i], err) &&
             scan_run_new(&runs[i], &trials[i], cpu, 0, err);
        works[i] = (Work){scan_run, &runs[i]};
    }
    ok = ok && bench_measure(bench, timings, works, N_STATES, err);
    for (size_t i = 0; i < N_STATES; i++) {
        if (ok)
            found[i] = 1e9 * timings[i].median / (double)length;
        scan_run_free(&runs[i]);
        scan_trial_free(&trials[i]);
    }
    return ok;
}

static bool states_rows(Bench *bench, Table *table, Error *err) {
    size_t longest = bench_length(bench, bench->quick ? 1 << 11 : 1 << 13);
    printf("  %8s%12s%12s%12s   ns for a token\n", "length", "N 4", "N 16",
           "N 64");
    for (size_t length = 128; length <= longest; length *= 4) {
        double row[1 + N_STATES] = {(double)length};
        if (!states_measure(bench, length, row + 1, err))
            return false;
        printf("  %8zu%12.0f%12.0f%12.0f\n", length, row[1], row[2], row[3]);
        table_row(table, row, 1 + N_STATES);
    }
    return true;
}

static bool run_states(Bench *bench, Error *err) {
    Table table;
    return bench_table(bench, &table, "states.tsv",
                       "Nanoseconds for a token of a scan with D 1536, by N",
                       "length\tn4\tn16\tn64", err) &&
           bench_table_end(&table, states_rows(bench, &table, err), err);
}

const Benchmark benchmark_states = {
    "states", "The scan with few states and with many", run_states};

// --- Against the length ------------------------------------------------------

enum { SHORTEST = 1 << 7, LONGEST = 1 << 17, MOST_LENGTHS = 11 };
// A longer sequence is scanned in pieces, and attention's scores are stored for
// no longer one.
enum { LONGEST_PIECE = 1 << 13, LONGEST_TEXTBOOK = 1 << 14 };

// How many points of each line there are, and what they are: seconds for one
// layer, NaN where that would have taken too long.
enum { SCAN, BLOCKED, TEXTBOOK, RIVALS };
typedef struct {
    size_t n;
    double length[MOST_LENGTHS];
    Timing timings[RIVALS][MOST_LENGTHS];
} Scaling;

static const Timing not_measured = {NAN, NAN, NAN, 0};

// Heads are alike and independent of each other: where all 24 would take too
// long, fewer are timed, though as many as there are threads, and the time is
// multiplied. 0 where even these would take too long, judged from the time that
// half the length took.
static size_t heads_to_time(const Bench *bench, const Timing *half) {
    double patience = bench->quick ? 0.2 : 12, expected = 4 * half->median;
    size_t all = bench_heads(bench), heads = all;
    size_t least = threads_now() < all ? threads_now() : all;
    while (heads > least && expected * (double)heads / (double)all > patience)
        heads--;
    // The longest of a full run takes its time.
    double last = bench->quick ? 2 * patience : 4 * patience;
    return expected * (double)heads / (double)all <= last ? heads : 0;
}

// Times one of the two attentions, as if it had all heads.
static bool time_attention(const Bench *bench, Scaling *scaling, int which,
                           Error *err) {
    size_t at = scaling->n, length = (size_t)scaling->length[at];
    bool textbook = which == TEXTBOOK;
    Timing *timing = &scaling->timings[which][at];
    size_t heads = at ? heads_to_time(bench, &timing[-1]) : bench_heads(bench);
    double scores = (double)length * (double)length * sizeof(float);
    double rows = 4.0 * (double)(length * heads * TRIAL_HEAD) * sizeof(float);
    *timing = not_measured;
    if (heads == 0 || (at && isnan(timing[-1].median)) ||
        (textbook && (length > LONGEST_TEXTBOOK || !fits_memory(scores))) ||
        !fits_memory(rows))
        return true;
    AttentionTrial trial;
    if (!attention_trial_new(&trial, length, heads, textbook, err))
        return false;
    Work work = {textbook ? attention_textbook_run : attention_blocked_run,
                 &trial};
    bench_progress(bench, "%s attention, %zu tokens",
                   textbook ? "textbook" : "blocked", length);
    bool ok = bench_measure(bench, timing, &work, 1, err);
    double times = (double)bench_heads(bench) / (double)heads;
    timing->least *= times;
    timing->median *= times;
    timing->most *= times;
    attention_trial_free(&trial);
    return ok;
}

static bool time_scan(const Bench *bench, Scaling *scaling, Error *err) {
    size_t at = scaling->n, length = (size_t)scaling->length[at];
    size_t piece = length < LONGEST_PIECE ? length : LONGEST_PIECE;
    ScanTrial trial;
    ScanRun run = {0};
    const ScanBackend *cpu = scan_backend("cpu", err);
    if (!cpu ||
        !scan_trial_new(&trial, piece, bench->size.width, BENCH_STATES, err))
        return false;
    bench_progress(bench, "scan, %zu tokens", length);
    bool ok = scan_run_new(&run, &trial, cpu, 0, err);
    run.times = length / piece;
    ok = ok && bench_measure(bench, &scaling->timings[SCAN][at],
                             &(Work){scan_run, &run}, 1, err);
    scan_run_free(&run);
    scan_trial_free(&trial);
    return ok;
}

static bool scaling_rows(Bench *bench, Scaling *scaling, Table *table,
                         Error *err) {
    printf("  %8s%12s%12s%12s   milliseconds\n", "length", "scan", "blocked",
           "textbook");
    for (size_t length = SHORTEST; length <= bench_length(bench, LONGEST);
         length *= 2, scaling->n++) {
        size_t at = scaling->n;
        scaling->length[at] = (double)length;
        if (!time_scan(bench, scaling, err) ||
            !time_attention(bench, scaling, BLOCKED, err) ||
            !time_attention(bench, scaling, TEXTBOOK, err))
            return false;
        double row[1 + 3 * RIVALS] = {(double)length};
        printf("  %8zu", length);
        for (size_t i = 0; i < RIVALS; i++) {
            const Timing *timing = &scaling->timings[i][at];
            row[1 + 3 * i] = timing->median;
            row[2 + 3 * i] = timing->least;
            row[3 + 3 * i] = timing->most;
            printf("%12.4g", 1e3 * timing->median);
        }
        printf("\n");
        table_row(table, row, sizeof row / sizeof *row);
    }
    return true;
}

// The exponent of the length beyond 2^12, of what was measured there: of the
// shortest times, in which least of what else the machine did is left.
static double exponent(const Scaling *scaling, int which) {
    double length[MOST_LENGTHS], seconds[MOST_LENGTHS];
    size_t n = 0;
    for (size_t i = 0; i < scaling->n; i++) {
        double least = scaling->timings[which][i].least;
        if (scaling->length[i] < 1 << 12 || isnan(least))
            continue;
        length[n] = scaling->length[i];
        seconds[n++] = least;
    }
    return power_law(length, seconds, n);
}

static void scaling_values(Bench *bench, const Scaling *scaling) {
    double faster_from = NAN, ratio = NAN, longest = NAN;
    for (size_t i = scaling->n; i-- > 0;) {
        double scan = scaling->timings[SCAN][i].median;
        double blocked = scaling->timings[BLOCKED][i].median;
        if (isnan(blocked))
            continue;
        if (isnan(longest)) {
            longest = scaling->length[i];
            ratio = blocked / scan;
        }
        if (!(scan < blocked))
            break;
        faster_from = scaling->length[i];
    }
    printf("\n");
    target_within(bench, "scan-exponent", 0.97, 1.03, exponent(scaling, SCAN));
    value("blocked-exponent", exponent(scaling, BLOCKED), 3);
    value("textbook-exponent", exponent(scaling, TEXTBOOK), 3);
    value("scan-faster-from", faster_from, 6);
    value("longest-attention", longest, 6);
    value("attention-over-scan-there", ratio, 3);
}

// Attention's rate beside that of a large matrix product.
static bool compare_rates(Bench *bench, Error *err) {
    const size_t length = bench_length(bench, 4096);
    const size_t side = bench_length(bench, 2048);
    AttentionTrial trial;
    Product product;
    Timing timings[2];
    if (!attention_trial_new(&trial, length, bench_heads(bench), false, err))
        return false;
    bool ok = product_new(&product, side, side, side, err);
    const Work works[] = {{attention_blocked_run, &trial},
                          {product_run, &product}};
    bench_progress(bench, "attention and matrix product");
    ok = ok && bench_measure(bench, timings, works, 2, err);
    if (ok) {
        double rate = attention_flops(&trial.attention) / timings[0].median;
        double most = product_flops(&product) / timings[1].median;
        target_at_least(bench, "blocked-over-sgemm", 0.5, rate / most);
    }
    product_free(&product);
    attention_trial_free(&trial);
    return ok;
}

static bool run_scaling(Bench *bench, Error *err) {
    Scaling scaling = {0};
    Table table;
    bool ok =
        bench_table(bench, &table, "scaling.tsv",
                    "Seconds for one layer: scan of D 1536, N 16; attention of "
                    "24 heads of 64; fewer heads timed where 24 take too long",
                    "length\tscan\tscan_least\tscan_most\tblocked\t"
                    "blocked_least\tblocked_most\ttextbook\ttextbook_least\t"
                    "textbook_most",
                    err) &&
        bench_table_end(&table, scaling_rows(bench, &scaling, &table, err),
                        err);
    if (!ok)
        return false;
    scaling_values(bench, &scaling);
    return compare_rates(bench, err);
}

const Benchmark benchmark_scaling = {
    "scaling", "Scan and attention against the length", run_scaling};
