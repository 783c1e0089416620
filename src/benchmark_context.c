#include <math.h>
#include <stdio.h>

#include "attention_trial.h"
#include "benchmark.h"
#include "memory.h"
#include "scan_trial.h"

// A step of the scan, of one layer after the other: so many of them that none
// is in a cache any more when it comes up again, as in a deep model.
typedef struct {
    ScanTrial trial;  // one step of all layers' channels
    const ScanBackend *cpu;
    void *workspace;
    size_t width, layer, layers;
} ScanSteps;

// The step of one layer: its channels among all.
static Scan layer_step(const ScanSteps *steps, size_t layer) {
    size_t channel = layer * steps->width;
    Scan step = steps->trial.scan;
    step.d_inner = steps->width;
    step.u += channel;
    step.delta += channel;
    step.z += channel;
    step.D += channel;
    step.y += channel;
    step.A += channel * BENCH_STATES;
    step.h += channel * BENCH_STATES;
    return step;
}

static void scan_steps_free(ScanSteps *steps) {
    scan_trial_free(&steps->trial);
    release(steps->workspace);
}

static bool scan_steps_new(ScanSteps *steps, const BenchSize *size,
                           Error *err) {
    size_t bytes = 2 * size->width * BENCH_STATES * sizeof(float);  // A and h
    *steps = (ScanSteps){.width = size->width,
                         .layers = size->cold / bytes + 1,
                         .cpu = scan_backend("cpu", err)};
    if (!steps->cpu ||
        !scan_trial_new(&steps->trial, 1, steps->layers * size->width,
                        BENCH_STATES, err))
        return false;
    Scan step = layer_step(steps, 0);
    steps->workspace = allocate(steps->cpu->workspace_bytes(&step), 1,
                                "a scan's workspace", err);
    if (!steps->workspace)
        scan_steps_free(steps);
    return steps->workspace != NULL;
}

static bool scan_steps_run(void *context, Error *err) {
    ScanSteps *steps = context;
    Scan step = layer_step(steps, steps->layer++ % steps->layers);
    return steps->cpu->run(&step, steps->workspace, err);
}

static bool context_measure(const Bench *bench, ScanSteps *scan, size_t context,
                            Timing timings[2], Error *err) {
    AttentionSteps attention;
    bench_progress(bench, "a token after %zu", context);
    if (!attention_steps_new(&attention, context, bench_heads(bench),
                             bench->size.cold, err))
        return false;
    const Work works[] = {{scan_steps_run, scan},
                          {attention_steps_run, &attention}};
    bool ok = bench_measure(bench, timings, works, 2, err);
    attention_steps_free(&attention);
    return ok;
}

// A row of microseconds: median, least and most of the scan and of attention.
static void context_row(Table *table, size_t context, const Timing timings[2]) {
    double row[7] = {(double)context};
    for (size_t i = 0; i < 2; i++) {
        row[1 + 3 * i] = 1e6 * timings[i].median;
        row[2 + 3 * i] = 1e6 * timings[i].least;
        row[3 + 3 * i] = 1e6 * timings[i].most;
    }
    printf("  %8zu%12.4g%12.4g\n", context, row[1], row[4]);
    table_row(table, row, 7);
}

static bool context_rows(Bench *bench, ScanSteps *scan, Table *table,
                         Error *err) {
    size_t longest = bench_length(bench, bench->quick ? 1 << 15 : 1 << 17);
    size_t bytes = attention_cache_bytes(bench_heads(bench), TRIAL_HEAD, 1);
    double slower_from = NAN, ratio = NAN;
    printf("  %8s%12s%12s   microseconds\n", "context", "scan", "attention");
    for (size_t context = 16;
         context <= longest && fits_memory((double)(context * bytes));
         context *= bench->quick ? 4 : 2) {
        Timing timings[2];
        if (!context_measure(bench, scan, context, timings, err))
            return false;
        context_row(table, context, timings);
        ratio = timings[1].median / timings[0].median;
        if (isnan(slower_from) && ratio > 1)
            slower_from = (double)context;
    }
    printf("\n");
    value("attention-step-slower-from", slower_from, 6);
    value("attention-over-scan-at-the-longest", ratio, 3);
    return true;
}

static bool run_context(Bench *bench, Error *err) {
    ScanSteps scan;
    Table table;
    if (!scan_steps_new(&scan, &bench->size, err))
        return false;
    bool ok =
        bench_table(bench, &table, "decoding-context.tsv",
                    "Microseconds for one layer's step: scan of D 1536, N 16; "
                    "attention of 24 heads of 64 with its keys and values kept",
                    "context\tscan\tscan_least\tscan_most\tattention\t"
                    "attention_least\tattention_most",
                    err) &&
        bench_table_end(&table, context_rows(bench, &scan, &table, err), err);
    scan_steps_free(&scan);
    return ok;
}

const Benchmark benchmark_context = {"context", "One token more, after so many",
                                     run_context};
