// Chapter 8: the benchmarks, which `minimamba bench` and `make plots` run.
#ifndef BENCHMARK_H
#define BENCHMARK_H

#include "config.h"
#include "measure.h"
#include "report.h"

// A ratio that we set out to reach, and what was found.
typedef struct {
    const char *name;
    double least, most;  // wanted: from least to most
    double found;
} Target;

enum { MOST_TARGETS = 32 };

// How large everything is. Tests take less, and so run all of it in no time.
typedef struct {
    size_t width;    // of scan and attention, d_inner of the model: whole heads
    size_t longest;  // sequence, and side of a matrix
    size_t cold;     // bytes: more than any cache holds
    double seconds;  // for measuring one work
} BenchSize;

// What all benchmarks of a run share.
typedef struct {
    bool quick;             // fewer and shorter runs: under a minute for all
    const char *directory;  // where the tables go, or NULL for none
    const char *commit;     // of the sources, for the tables
    void (*progress)(const char *what);  // told what is measured now; or NULL
    BenchSize size;
    size_t n_targets;
    Target targets[MOST_TARGETS];
} Bench;

// One benchmark: it prints a section of measured values, writes its tables, and
// adds its targets.
typedef struct {
    const char *name, *summary;
    bool (*run)(Bench *bench, Error *err);
} Benchmark;

// One file for each or for two: benchmark_NAME.c.
extern const Benchmark benchmark_ladder;    // chapter 4's, rung by rung
extern const Benchmark benchmark_threads;   // cpu and parallel, by threads
extern const Benchmark benchmark_channels;  // and by channels
extern const Benchmark benchmark_states;    // the scan by N
extern const Benchmark benchmark_scaling;   // scan and attention by length
extern const Benchmark benchmark_context;   // a token more, by context
extern const Benchmark benchmark_roofline;  // what limits each
extern const Benchmark benchmark_memory;    // bytes by length
extern const Benchmark benchmark_model;     // where a model's time goes
extern const Benchmark benchmark_weights;   // its speed with f32, bf16, int8
extern const Benchmark benchmark_length;    // a model's time by length

// All of them, in the order in which they are run.
extern const Benchmark *const benchmarks[];
extern const size_t n_benchmarks;

// A run of the shapes of the 130m model: width 1536, or 24 heads of 64. It
// writes no tables and shows no progress until it is told to.
Bench bench_new(bool quick);

// The one of this name. NULL where there is none; err then says which there
// are.
const Benchmark *benchmark_find(const char *name, Error *err);

// Runs the benchmark of this name, or all for NULL.
bool benchmark_run(Bench *bench, const char *name, Error *err);

// Prints the section of the targets: a line for each, with what was wanted and
// what was found.
void benchmark_targets(const Bench *bench);

// --- What the benchmarks share -----------------------------------------------

// The scan's N where nothing else is said, which is that of the published
// models.
enum { BENCH_STATES = 16 };

// So many heads of 64 are as wide as the scan.
size_t bench_heads(const Bench *bench);

// The length, or the longest that is allowed.
size_t bench_length(const Bench *bench, size_t length);

// The configuration of the 130m model, or of one as much smaller as the run.
Config bench_config(const Bench *bench);

// Tokens that a model reads at once, as for the command.
enum { BENCH_CHUNK = 256 };

// May so many bytes be allocated without harm? At most a quarter of the
// machine's memory.
bool fits_memory(double bytes);

// Adds a target, and prints what was found as a value.
void target_at_least(Bench *bench, const char *name, double wanted,
                     double found);
void target_at_most(Bench *bench, const char *name, double wanted,
                    double found);
void target_within(Bench *bench, const char *name, double least, double most,
                   double found);

// Was it found? Written so that NaN was not.
bool target_reached(const Target *target);

// Tells whoever watches that this is measured now; an empty text, nothing.
void bench_progress(const Bench *bench, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// measure(), for the run's time; then nothing is measured now.
bool bench_measure(const Bench *bench, Timing *timings, const Work *works,
                   size_t n, Error *err);

// Begins a table whose first lines are comments: what it is about, then on
// which machine, by which compiler with which flags, when, and from which
// commit it was measured.
bool bench_table(const Bench *bench, Table *table, const char *name,
                 const char *about, const char *columns, Error *err);

// Adds a row whose first column is a name.
void bench_row(Table *table, const char *name, const double *numbers, size_t n);

// Ends a table whose rows were made, or, where `ok` is false, forgets it.
// Returns whether there is one now, or none was wanted.
bool bench_table_end(Table *table, bool ok, Error *err);

// The exponent k of the y = c x^k that fits n points best: the slope of the
// straight line through their logarithms, by least squares. NaN for fewer than
// two different x, and where a number is not positive.
double power_law(const double *x, const double *y, size_t n);

#endif
