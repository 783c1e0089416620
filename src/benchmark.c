#include "benchmark.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "attention_trial.h"
#include "provenance.h"

const Benchmark *const benchmarks[] = {
    &benchmark_ladder,   &benchmark_threads, &benchmark_channels,
    &benchmark_states,   &benchmark_scaling, &benchmark_context,
    &benchmark_roofline, &benchmark_memory,  &benchmark_model,
    &benchmark_weights,  &benchmark_length};
const size_t n_benchmarks = sizeof benchmarks / sizeof *benchmarks;

// The section of one benchmark.
static bool run_one(Bench *bench, const Benchmark *one, Error *err) {
    section_measured(one->name, one->summary);
    bool ok = one->run(bench, err);
    fflush(stdout);
    return ok;
}

const Benchmark *benchmark_find(const char *name, Error *err) {
    char names[256] = "";
    for (size_t i = 0; i < n_benchmarks; i++) {
        if (strcmp(name, benchmarks[i]->name) == 0)
            return benchmarks[i];
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "",
                 benchmarks[i]->name);
    }
    fail(err, "--only: wanted one of %s, found '%s'", names, name);
    return NULL;
}

bool benchmark_run(Bench *bench, const char *name, Error *err) {
    const Benchmark *only = name ? benchmark_find(name, err) : NULL;
    if (only)
        return run_one(bench, only, err);
    for (size_t i = 0; !name && i < n_benchmarks; i++)
        if (!run_one(bench, benchmarks[i], err))
            return false;
    return !name;
}

// --- Targets -----------------------------------------------------------------

static void target(Bench *bench, Target target) {
    value(target.name, target.found, 3);
    if (bench->n_targets < MOST_TARGETS)
        bench->targets[bench->n_targets++] = target;
}

void target_at_least(Bench *bench, const char *name, double wanted,
                     double found) {
    target(bench, (Target){name, wanted, INFINITY, found});
}

void target_at_most(Bench *bench, const char *name, double wanted,
                    double found) {
    target(bench, (Target){name, -INFINITY, wanted, found});
}

void target_within(Bench *bench, const char *name, double least, double most,
                   double found) {
    target(bench, (Target){name, least, most, found});
}

bool target_reached(const Target *target) {
    return target->found >= target->least && target->found <= target->most;
}

void benchmark_targets(const Bench *bench) {
    size_t reached = 0;
    section_measured("targets", "What was wanted, and what was found");
    printf("  %-32s %-16s %8s\n", "", "wanted", "found");
    for (size_t i = 0; i < bench->n_targets; i++) {
        const Target *one = &bench->targets[i];
        char wanted[40];
        if (isinf(one->most))
            snprintf(wanted, sizeof wanted, "at least %g", one->least);
        else if (isinf(one->least))
            snprintf(wanted, sizeof wanted, "at most %g", one->most);
        else
            snprintf(wanted, sizeof wanted, "%g to %g", one->least, one->most);
        printf("  %-32s %-16s %8.3g%s\n", one->name, wanted, one->found,
               target_reached(one) ? "" : "  missed");
        reached += target_reached(one);
    }
    printf("\n");
    value("targets-reached", (double)reached, 3);
    value("targets-missed", (double)(bench->n_targets - reached), 3);
}

// --- Measuring ---------------------------------------------------------------

Bench bench_new(bool quick) {
    return (Bench){.quick = quick,
                   .commit = "unknown",
                   .size = {.width = 1536,
                            .longest = 1 << 17,
                            .cold = 500000000,
                            .seconds = quick ? 0.1 : 1}};
}

size_t bench_heads(const Bench *bench) {
    return bench->size.width / TRIAL_HEAD;
}

size_t bench_length(const Bench *bench, size_t length) {
    return length < bench->size.longest ? length : bench->size.longest;
}

Config bench_config(const Bench *bench) {
    Config config = config_default();
    config.d_model = bench->size.width / 2;
    config.n_layer = 24;
    config.vocab_size = bench_length(bench, 50280);
    config.d_state = BENCH_STATES;
    return config;
}

bool fits_memory(double bytes) {
    double pages = (double)sysconf(_SC_PHYS_PAGES);
    return bytes <= pages * (double)sysconf(_SC_PAGESIZE) / 4;
}

void bench_progress(const Bench *bench, const char *format, ...) {
    if (!bench->progress)
        return;
    char text[80];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    bench->progress(text);
}

bool bench_measure(const Bench *bench, Timing *timings, const Work *works,
                   size_t n, Error *err) {
    bool ok = measure(timings, works, n, bench->size.seconds * (double)n, err);
    bench_progress(bench, "%s", "");
    return ok;
}

// --- Tables ------------------------------------------------------------------

bool bench_table(const Bench *bench, Table *table, const char *name,
                 const char *about, const char *columns, Error *err) {
    char where[256], head[1024];
    provenance(where, sizeof where);
    snprintf(head, sizeof head, "# %s\n# %s; commit %s\n%s", about, where,
             bench->commit, columns);
    return table_begin(table, bench->directory, name, head, err);
}

void bench_row(Table *table, const char *name, const double *numbers,
               size_t n) {
    if (table->open)
        fprintf(table->file.stream, "%s\t", name);
    table_row(table, numbers, n);
}

bool bench_table_end(Table *table, bool ok, Error *err) {
    if (ok)
        return table_end(table, err);
    if (table->open)
        file_abandon(&table->file);
    table->open = false;
    return false;
}

double power_law(const double *x, const double *y, size_t n) {
    double mean_x = 0, mean_y = 0, xx = 0, xy = 0;
    for (size_t i = 0; i < n; i++) {
        mean_x += log(x[i]) / (double)n;
        mean_y += log(y[i]) / (double)n;
    }
    // k = sum (ln x - mean)(ln y - mean) / sum (ln x - mean)^2
    for (size_t i = 0; i < n; i++) {
        double along = log(x[i]) - mean_x;
        xx += along * along;
        xy += along * (log(y[i]) - mean_y);
    }
    return xx > 0 ? xy / xx : NAN;
}
