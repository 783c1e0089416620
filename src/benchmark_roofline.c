#include <stdio.h>

#include "attention_trial.h"
#include "benchmark.h"
#include "machine.h"
#include "matmul.h"
#include "scan_trial.h"

// Everything that is timed, and what it works on.
typedef struct {
    ScanTrial trial;
    ScanRun scan;
    AttentionTrial blocked, textbook;
    AttentionSteps step;
    Product many_rows, one_row, square;
    Reading reading;
} Roofline;

enum { ROOF_LENGTH = 2048, ROOF_VOCABULARY = 50280, ROOF_CONTEXT = 1 << 14 };

static void roofline_free(Roofline *roof) {
    scan_run_free(&roof->scan);
    scan_trial_free(&roof->trial);
    attention_trial_free(&roof->blocked);
    attention_trial_free(&roof->textbook);
    attention_steps_free(&roof->step);
    product_free(&roof->many_rows);
    product_free(&roof->one_row);
    product_free(&roof->square);
    reading_free(&roof->reading);
}

static bool roofline_new(Roofline *roof, const Bench *bench, Error *err) {
    const size_t L = bench_length(bench, ROOF_LENGTH);
    const size_t D = bench->size.width, heads = bench_heads(bench);
    const size_t context = bench_length(bench, ROOF_CONTEXT);
    *roof = (Roofline){0};
    const ScanBackend *cpu = scan_backend("cpu", err);
    if (cpu && scan_trial_new(&roof->trial, L, D, BENCH_STATES, err) &&
        scan_run_new(&roof->scan, &roof->trial, cpu, 0, err) &&
        attention_trial_new(&roof->blocked, L, heads, false, err) &&
        attention_trial_new(&roof->textbook, L, heads, true, err) &&
        attention_steps_new(&roof->step, context, heads, 0, err) &&
        product_new(&roof->many_rows, L, D / 2, 2 * D, err) &&
        product_new(&roof->one_row, 1, D / 2,
                    bench_length(bench, ROOF_VOCABULARY), err) &&
        product_new(&roof->square, L, L, L, err) &&
        reading_new(&roof->reading, bench->size.cold, err))
        return true;
    roofline_free(roof);
    return false;
}

// A point of the figure: what is computed, and what must be read and written at
// least, each tensor once.
typedef struct {
    const char *name;
    Work work;
    double flops, bytes;
} RoofPoint;

static double product_bytes(const Product *product) {
    double rows = (double)product->rows, in = (double)product->in;
    double out = (double)product->out;
    return sizeof(float) * (rows * in + in * out + rows * out);
}

// u, delta, z and y of each channel, B and C of each state.
static double scan_bytes(const Scan *scan) {
    double numbers = 4 * (double)scan->d_inner + 2 * (double)scan->d_state;
    return sizeof(float) * (double)scan->length * numbers;
}

// Delta A, its exponential, (Delta u) B, a h + b and C h + c.
enum { UPDATE_FLOPS = 1 + EXPONENTIAL_FLOPS + 1 + 2 + 2, ROOF_POINTS = 6 };

static void roofline_points(Roofline *roof, RoofPoint points[ROOF_POINTS]) {
    const Attention *attention = &roof->blocked.attention;
    double L = (double)attention->length, heads = (double)attention->n_heads;
    double rows = 4 * L * heads * TRIAL_HEAD * sizeof(float);
    // The scores of every head are written, made into weights and read: they
    // pass four times.
    double scores = 4 * L * L * heads * sizeof(float);
    double flops = attention_flops(attention);
    const RoofPoint list[ROOF_POINTS] = {
        {"scan",
         {scan_run, &roof->scan},
         UPDATE_FLOPS * scan_updates(&roof->trial.scan),
         scan_bytes(&roof->trial.scan)},
        {"blocked-attention",
         {attention_blocked_run, &roof->blocked},
         flops,
         rows},
        {"textbook-attention",
         {attention_textbook_run, &roof->textbook},
         flops,
         rows + scores},
        {"attention-step",
         {attention_steps_run, &roof->step},
         4 * heads * TRIAL_HEAD * (double)roof->step.length,
         attention_steps_bytes(&roof->step)},
        {"projection",
         {product_run, &roof->many_rows},
         product_flops(&roof->many_rows),
         product_bytes(&roof->many_rows)},
        {"projection-step",
         {product_run, &roof->one_row},
         product_flops(&roof->one_row),
         product_bytes(&roof->one_row)},
    };
    for (size_t i = 0; i < ROOF_POINTS; i++)
        points[i] = list[i];
}

// The points, and last the machine's own: a product of squares, and reading.
static bool roofline_rows(Bench *bench, Roofline *roof, Table *table,
                          Error *err) {
    RoofPoint points[ROOF_POINTS];
    Work works[ROOF_POINTS + 2];
    Timing timings[ROOF_POINTS + 2];
    roofline_points(roof, points);
    for (size_t i = 0; i < ROOF_POINTS; i++)
        works[i] = points[i].work;
    works[ROOF_POINTS] = (Work){product_run, &roof->square};
    works[ROOF_POINTS + 1] = (Work){reading_run, &roof->reading};
    bench_progress(bench, "the roofline");
    if (!bench_measure(bench, timings, works, ROOF_POINTS + 2, err))
        return false;

    double roof_flops =
        product_flops(&roof->square) / timings[ROOF_POINTS].median;
    double roof_bytes =
        reading_bytes(&roof->reading) / timings[ROOF_POINTS + 1].median;
    printf("Matrix products by %s, with its kernel for %s.\n\n", matmul_library,
           matmul_kernel());
    printf("  %-20s%12s%14s\n", "", "flop/byte", "Gflop/s");
    for (size_t i = 0; i < ROOF_POINTS; i++) {
        double row[4] = {points[i].flops / points[i].bytes,
                         1e-9 * points[i].flops / timings[i].median,
                         1e-9 * roof_flops, 1e-9 * roof_bytes};
        printf("  %-20s%12.3g%14.4g\n", points[i].name, row[0], row[1]);
        bench_row(table, points[i].name, row, 4);
    }
    printf("\n");
    value("sgemm-gflops", 1e-9 * roof_flops, 3);
    value("read-gigabytes-per-second", 1e-9 * roof_bytes, 3);
    return true;
}

static bool run_roofline(Bench *bench, Error *err) {
    Roofline roof;
    Table table;
    if (!roofline_new(&roof, bench, err))
        return false;
    bool ok =
        bench_table(bench, &table, "roofline.tsv",
                    "What is computed for a byte, and in a second; L 2048, "
                    "attention's step after 16384; and the machine's limits",
                    "what\tflop_per_byte\tgflops\troof_gflops\troof_gbytes",
                    err) &&
        bench_table_end(&table, roofline_rows(bench, &roof, &table, err), err);
    roofline_free(&roof);
    return ok;
}

const Benchmark benchmark_roofline = {
    "roofline", "What limits each: arithmetic or memory", run_roofline};
