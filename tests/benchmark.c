// The benchmarks: what is made of times, what their tables look like, and that
// all of them run; never how long anything takes.
#include "benchmark.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attention_trial.h"
#include "cache.h"
#include "command.h"
#include "compare.h"
#include "failing_memory.h"
#include "initialization.h"
#include "machine.h"
#include "provenance.h"
#include "scan_reference.h"
#include "scan_trial.h"
#include "scratch.h"

TestSuite(benchmark, .init = scratch_begin, .fini = scratch_end);

// A run of everything in no time: one head, and nothing long.
static Bench small_bench(bool quick) {
    Bench bench = bench_new(quick);
    Error err;
    bench.directory = scratch("plots");
    check_ok(directory_make(bench.directory, &err), &err);
    bench.commit = "1234abc";
    bench.size = (BenchSize){
        .width = TRIAL_HEAD, .longest = 260, .cold = 1 << 16, .seconds = 0};
    return bench;
}

// --- Power laws --------------------------------------------------------------

Test(benchmark, power_law_of_a_known_line) {
    const double x[] = {1, 2, 4, 8, 16};
    double y[5];
    for (int k = -3; k <= 3; k++) {
        for (size_t i = 0; i < 5; i++)
            y[i] = 7 * pow(x[i], 0.5 * k);
        compare_number("exponent", 0, power_law(x, y, 5), 0.5 * k, 1e-12);
    }
}

// Points c x^k e^r with r orthogonal to ln x do not change the slope.
Test(benchmark, power_law_is_least_squares) {
    const double x[] = {1, 10, 100}, r[] = {0.3, -0.6, 0.3};
    double y[3];
    for (size_t i = 0; i < 3; i++)
        y[i] = 0.01 * pow(x[i], 1.7) * exp(r[i]);
    compare_number("exponent", 0, power_law(x, y, 3), 1.7, 1e-12);
    // A point beyond lifts it: sum (u - 1) v / sum (u - 1)^2 for u = 0, 1, 2.
    y[2] *= exp(1);
    compare_number("exponent", 1, power_law(x, y, 3), 1.7 + 0.5 / log(10),
                   1e-12);
}

Test(benchmark, power_law_of_too_little_is_nan) {
    const double x[] = {3, 3, 3}, y[] = {1, 2, 3};
    cr_assert(isnan(power_law(x, y, 0)));
    cr_assert(isnan(power_law(x, y, 1)));
    cr_assert(isnan(power_law(x, y, 3)));
}

Test(benchmark, power_law_of_what_has_no_logarithm_is_nan) {
    const double wrong[] = {NAN, -1, 0};
    for (size_t i = 0; i < 3; i++)
        for (size_t place = 0; place < 3; place++) {
            double x[] = {1, 2, 4}, y[] = {1, 2, 4};
            y[place] = wrong[i];
            cr_assert(isnan(power_law(x, y, 3)), "y %zu", place);
            y[place] = x[place];
            x[place] = wrong[i];
            cr_assert(isnan(power_law(x, y, 3)), "x %zu", place);
        }
}

// --- Targets -----------------------------------------------------------------

Test(benchmark, targets_include_their_bounds_and_never_nan) {
    Bench bench = bench_new(true);
    Captured printed;
    capture_begin(&printed);
    target_at_least(&bench, "a", 2, 2);
    target_at_least(&bench, "b", 2, 1.999);
    target_at_most(&bench, "c", 2, 2);
    target_at_most(&bench, "d", 2, 2.001);
    target_within(&bench, "e", 1, 2, 1.5);
    target_within(&bench, "f", 1, 2, 0.999);
    target_within(&bench, "g", 1, 2, 2.001);
    target_at_least(&bench, "h", 2, NAN);
    target_at_most(&bench, "i", 2, NAN);
    capture_end(&printed);
    const bool wanted[] = {true,  false, true,  false, true,
                           false, false, false, false};
    cr_assert_eq(bench.n_targets, 9);
    for (size_t i = 0; i < 9; i++)
        cr_assert_eq(target_reached(&bench.targets[i]), wanted[i], "target %s",
                     bench.targets[i].name);
    cr_assert(strncmp(printed.out, "a = 2\nb = 2\nc = 2\n", 18) == 0,
              "found %s", printed.out);
}

Test(benchmark, targets_are_summed_up) {
    Bench bench = bench_new(true);
    Captured printed;
    capture_begin(&printed);
    target_at_least(&bench, "speed", 1.5, 1.75);
    target_at_most(&bench, "error", 4, NAN);
    target_within(&bench, "exponent", 0.97, 1.03, 1.5);
    benchmark_targets(&bench);
    capture_end(&printed);
    const char *const lines[] = {
        "\n== targets: ",
        "\n  speed                            at least 1.5         1.75\n",
        "\n  error                            at most 4             nan  "
        "missed\n",
        "\n  exponent                         0.97 to 1.03          1.5  "
        "missed\n",
        "\ntargets-reached = 1\n",
        "\ntargets-missed = 2\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        cr_assert(strstr(printed.out, lines[i]), "wanted%sfound%s", lines[i],
                  printed.out);
}

Test(benchmark, more_targets_than_there_is_room_for_do_no_harm) {
    Bench bench = bench_new(true);
    Captured printed;
    capture_begin(&printed);
    for (size_t i = 0; i < MOST_TARGETS + 5; i++)
        target_at_least(&bench, "speed", 1, 2);
    capture_end(&printed);
    cr_assert_eq(bench.n_targets, MOST_TARGETS);
}

// --- Tables ------------------------------------------------------------------

// The text of a file in the test's directory of plots; free().
static char *read_table(const char *name) {
    char path[200];
    size_t size;
    snprintf(path, sizeof path, "plots/%s", name);
    return read_bytes(scratch(path), &size);
}

Test(benchmark, tables_say_where_they_come_from) {
    Bench bench = small_bench(true);
    Table table;
    Error err;
    char where[256], wanted[600];
    check_ok(
        bench_table(&bench, &table, "t.tsv", "What it is", "name\tx\ty", &err),
        &err);
    bench_row(&table, "first", (double[]){1.5, NAN}, 2);
    bench_row(&table, "second", (double[]){-2, 1e20}, 2);
    check_ok(bench_table_end(&table, true, &err), &err);
    provenance(where, sizeof where);
    snprintf(wanted, sizeof wanted,
             "# What it is\n# %s; commit 1234abc\nname\tx\ty\n"
             "first\t1.5\tnan\nsecond\t-2\t1e+20\n",
             where);
    char *found = read_table("t.tsv");
    cr_assert_str_eq(found, wanted);
    free(found);
}

Test(benchmark, a_table_whose_rows_failed_is_not_there) {
    Bench bench = small_bench(true);
    Table table;
    Error err;
    check_ok(bench_table(&bench, &table, "t.tsv", "What it is", "x", &err),
             &err);
    fail(&err, "rows: wanted some, found none");
    cr_assert(!bench_table_end(&table, false, &err));
    cr_assert_str_eq(err.text, "rows: wanted some, found none");
    cr_assert_eq(scratch_entries("plots"), 0);
}

Test(benchmark, no_directory_no_tables) {
    Bench bench = bench_new(true);
    Table table;
    Error err;
    check_ok(bench_table(&bench, &table, "t.tsv", "What it is", "x", &err),
             &err);
    bench_row(&table, "row", (double[]){1}, 1);
    check_ok(bench_table_end(&table, true, &err), &err);
    cr_assert_eq(scratch_entries(""), 0);
}

// --- All of them -------------------------------------------------------------

// Each benchmark's tables, and how many columns and rows these have at least.
typedef struct {
    const char *benchmark, *table;
    size_t columns, rows;
} Expected;

static const Expected expected[] = {
    {"ladder", "ladder.tsv", 4, 3},
    {"threads", "threads.tsv", 5, 1},
    {"channels", "channels.tsv", 3, 8},
    {"states", "states.tsv", 4, 1},
    {"scaling", "scaling.tsv", 10, 2},
    {"context", "decoding-context.tsv", 7, 3},
    {"roofline", "roofline.tsv", 5, 6},
    {"memory", "memory-length.tsv", 9, 2},
    {"model", "prefill-parts.tsv", 3, 8},
    {"model", "decoding-parts.tsv", 3, 8},
    {"weights", "weights.tsv", 5, 3},
    {"length", "model-length.tsv", 4, 2},
};
static const size_t n_expected = sizeof expected / sizeof *expected;

// Two lines of comment, the columns' names, and rows of as many fields, all of
// them numbers but perhaps the first.
static void check_table(const Expected *wanted) {
    char *text = read_table(wanted->table), *rest = text;
    size_t lines = 0;
    for (char *line; (line = strtok_r(NULL, "\n", &rest)); lines++) {
        if (lines < 2) {
            cr_assert(strncmp(line, "# ", 2) == 0, "%s: line %zu: found %s",
                      wanted->table, lines + 1, line);
            continue;
        }
        size_t fields = 0;
        for (char *field; (field = strtok_r(NULL, "\t", &line)); fields++) {
            char *end;
            strtod(field, &end);
            if (lines > 2 && fields > 0)
                cr_assert(*end == '\0' && end > field, "%s: found '%s'",
                          wanted->table, field);
        }
        cr_assert_eq(fields, wanted->columns, "%s: line %zu: found %zu fields",
                     wanted->table, lines + 1, fields);
    }
    cr_assert_geq(lines, 3 + wanted->rows, "%s: found %zu lines", wanted->table,
                  lines);
    free(text);
}

// Runs a benchmark in no time, and looks at what it leaves.
static void check_benchmark(const char *name, bool quick) {
    Bench bench = small_bench(quick);
    Captured printed;
    Error err;
    char heading[100];
    capture_begin(&printed);
    bool ok = benchmark_run(&bench, name, &err);
    capture_end(&printed);
    check_ok(ok, &err);
    snprintf(heading, sizeof heading, "\n== %s: ", name);
    cr_assert(strncmp(printed.out, heading, strlen(heading)) == 0, "found %s",
              printed.out);
    cr_assert_str_eq(printed.err, "");
    for (size_t i = 0; i < n_expected; i++)
        if (strcmp(expected[i].benchmark, name) == 0)
            check_table(&expected[i]);
}

Test(benchmark, all_run_and_write_their_tables) {
    for (size_t i = 0; i < n_benchmarks; i++)
        check_benchmark(benchmarks[i]->name, true);
    cr_assert_eq(scratch_entries("plots"), n_expected);
}

Test(benchmark, full_runs_write_the_same_tables) {
    for (size_t i = 0; i < n_benchmarks; i++)
        check_benchmark(benchmarks[i]->name, false);
    cr_assert_eq(scratch_entries("plots"), n_expected);
}

Test(benchmark, threads_are_put_back) {
    use_threads(2);
    size_t before = threads_now();
    check_benchmark("ladder", true);
    check_benchmark("threads", true);
    check_benchmark("weights", true);
    cr_assert_eq(threads_now(), before);
}

// Whichever allocation fails, it is an error with its line, nothing leaks, and
// no part of a table is left.
Test(benchmark, lack_of_memory_is_an_error) {
    Captured printed;
    Error err;
    for (size_t i = 0; i < n_benchmarks; i++) {
        size_t n = 1;
        for (bool failed = true; failed; n++) {
            Bench bench = small_bench(true);
            size_t live = memory_live(), tables = scratch_entries("plots");
            capture_begin(&printed);
            memory_fail_at(n);
            bool ok = benchmark_run(&bench, benchmarks[i]->name, &err);
            failed = memory_failed();
            memory_fail_at(0);
            capture_end(&printed);
            cr_assert_eq(ok, !failed, "%s, allocation %zu", benchmarks[i]->name,
                         n);
            cr_assert_eq(memory_live(), live, "%s, allocation %zu leaks",
                         benchmarks[i]->name, n);
            if (!failed)
                break;
            check_line(&err, "memory for ");
            // The model's first table may be whole when the second one fails.
            cr_assert_leq(scratch_entries("plots"), tables + 1);
        }
        cr_assert_gt(n, 2, "%s", benchmarks[i]->name);
    }
    cr_assert_eq(scratch_entries("plots"), n_expected);
}

Test(benchmark, unknown_ones_are_refused) {
    Bench bench = small_bench(true);
    Error err;
    check_refused("a name", benchmark_run(&bench, "speed", &err), &err,
                  "--only: wanted one of ladder, threads, ",
                  ", length, found 'speed'");
    cr_assert_null(benchmark_find("", &err));
    cr_assert_eq(benchmark_find("length", &err), &benchmark_length);
}

// A directory that cannot be made is noticed before anything is measured.
Test(benchmark, tables_that_cannot_be_written_are_an_error) {
    Captured printed;
    Error err;
    for (size_t i = 0; i < n_benchmarks; i++) {
        Bench bench = small_bench(true);
        bench.directory = scratch("nowhere/plots");
        capture_begin(&printed);
        bool ok = benchmark_run(&bench, benchmarks[i]->name, &err);
        capture_end(&printed);
        check_refused(benchmarks[i]->name, ok, &err, scratch("nowhere/plots"),
                      "No such file");
    }
}

// --- Bytes -------------------------------------------------------------------

// The number in a column of the row that begins with this one.
static double table_number(const char *name, const char *row, size_t column) {
    char *text = read_table(name), mark[40];
    snprintf(mark, sizeof mark, "\n%s\t", row);
    char *at = strstr(text, mark);
    cr_assert(at, "%s: wanted a row %s, found %s", name, row, text);
    at++;
    for (size_t i = 0; i < column; i++)
        at = strchr(at, '\t') + 1;
    double number = strtod(at, NULL);
    free(text);
    return number;
}

// What memory-length.tsv states is what the functions say of the same shapes.
Test(benchmark, stated_bytes_are_the_functions) {
    enum { LENGTH = 256, HEADS = 1 };
    Bench bench = small_bench(true);
    check_benchmark("memory", true);
    Config config = bench_config(&bench);
    config.n_layer = 1;
    config.vocab_size = 256;
    Model model;
    Error err;
    check_ok(model_initialize(&model, &config, 0, &err), &err);
    const ScanBackend *cpu = scan_backend("cpu", &err);
    const Attention attention = {
        .length = LENGTH, .n_heads = HEADS, .d_head = TRIAL_HEAD};
    double kept = (double)attention_cache_bytes(HEADS, TRIAL_HEAD, LENGTH);
    const double wanted[] = {
        [1] = (double)session_bytes(&model, 1, BENCH_CHUNK, cpu),
        [3] = 2 * kept + (double)(attention_tile_bytes * threads_now()),
        [5] = 2 * kept + (double)attention_textbook_workspace(&attention),
        [7] = (double)cache_bytes(&config),
        [8] = kept,
    };
    for (size_t column = 1; column <= 8; column++)
        if (wanted[column] > 0)  // the others are what the system saw
            compare_number("bytes", column,
                           table_number("memory-length.tsv", "256", column),
                           wanted[column], 0);
    model_free(&model);
}

// --- Works -------------------------------------------------------------------

static size_t backend_calls, backend_threads;

static bool no_need(Error *err) {
    (void)err;
    return true;
}

static size_t no_workspace(const Scan *scan) {
    (void)scan;
    return 0;
}

static bool counting(const Scan *scan, void *workspace, Error *err) {
    backend_calls++;
    backend_threads = threads_now();
    if (backend_calls == 3)
        return fail(err, "device: wanted one, found none");
    return scan_reference(scan, workspace, err);
}

static const ScanBackend counter = {"counter", "counts its calls", no_need,
                                    no_workspace, counting};

Test(benchmark, scans_run_as_often_and_with_as_many_threads_as_told) {
    ScanTrial trial;
    ScanRun run;
    Error err;
    size_t all = threads_now();
    check_ok(scan_trial_new(&trial, 5, 3, 2, &err), &err);
    cr_assert_eq(scan_updates(&trial.scan), 30);
    check_ok(scan_run_new(&run, &trial, &counter, 1, &err), &err);
    run.times = 2;
    check_ok(scan_run(&run, &err), &err);
    cr_assert_eq(backend_calls, 2);
    cr_assert_eq(backend_threads, 1);
    cr_assert(!scan_run(&run, &err) && backend_calls == 3);
    cr_assert_eq(threads_now(), all);
    scan_run_free(&run);
    scan_trial_free(&trial);
}

// However often it goes on, nothing overflows: its numbers are what they say.
Test(benchmark, scans_of_trials_stay_small) {
    enum { L = 70, D = 5, N = 3 };
    ScanTrial trial;
    Error err;
    check_ok(scan_trial_new(&trial, L, D, N, &err), &err);
    const Scan *scan = &trial.scan;
    for (size_t i = 0; i < L * D; i++) {
        cr_assert(scan->delta[i] >= 0.001f && scan->delta[i] <= 0.1f);
        cr_assert(fabsf(scan->u[i]) <= 1 && fabsf(scan->z[i]) <= 1);
    }
    for (size_t i = 0; i < D * N; i++)
        cr_assert_eq(scan->A[i], -(float)(i % N + 1));
    ScanRun run;
    check_ok(scan_run_new(&run, &trial, &counter, 0, &err), &err);
    backend_calls = 100;
    run.times = 100;
    check_ok(scan_run(&run, &err), &err);
    // |h| <= sum of Delta |B u| e^(-Delta t) <= about 1, and y sums N of them.
    for (size_t i = 0; i < D * N; i++)
        cr_assert(fabsf(scan->h[i]) <= 1.1f, "h %zu: found %g", i, scan->h[i]);
    for (size_t i = 0; i < L * D; i++)
        cr_assert(fabsf(scan->y[i]) <= 1.1f * N + 1);
    scan_run_free(&run);
    scan_trial_free(&trial);
}

// Each pass makes -2^x of every x.
Test(benchmark, exponentials_are_all_computed) {
    Error err;
    Exponentials exponentials = exponentials_new(3 * EXPONENTIALS_NEAR - 1);
    cr_assert_eq(exponentials.passes, 3);
    cr_assert_eq(exponentials_count(&exponentials), 3 * EXPONENTIALS_NEAR);
    Exponentials before = exponentials;
    check_ok(exponentials_run(&exponentials, &err), &err);
    for (size_t i = 0; i < EXPONENTIALS_NEAR; i++) {
        double x = before.x[i];
        cr_assert(x <= 0 && x >= -8);
        for (size_t pass = 0; pass < exponentials.passes; pass++)
            x = -exp2(x);
        // Three roundings, each of which the next pass makes smaller.
        compare_number("-2^x", i, exponentials.x[i], x, 4e-7);
    }
}

Test(benchmark, reading_reads_every_number_once) {
    Reading reading;
    Error err;
    const size_t bytes = 123456;
    check_ok(reading_new(&reading, bytes, &err), &err);
    cr_assert(reading.count * sizeof(float) <= bytes &&
              reading.count * sizeof(float) > bytes - 256);
    cr_assert_eq(reading_bytes(&reading), (double)reading.count * 4);
    double sum = 0, sizes = 0;
    for (size_t i = 0; i < reading.count; i++) {
        reading.numbers[i] = (float)(1 + i % 7);
        sum += reading.numbers[i];
        sizes += reading.numbers[i];
    }
    for (int threads = 1; threads <= 3; threads++) {
        use_threads(threads);
        check_ok(reading_run(&reading, &err), &err);
        compare_number("sum", 0, reading.sum, sum, 1e-5 * sizes);
    }
    reading_free(&reading);
}

Test(benchmark, products_are_products) {
    enum { ROWS = 7, IN = 33, OUT = 5 };
    Product product;
    Error err;
    check_ok(product_new(&product, ROWS, IN, OUT, &err), &err);
    cr_assert_eq(product_flops(&product), 2 * ROWS * IN * OUT);
    check_ok(product_run(&product, &err), &err);
    for (size_t t = 0; t < ROWS; t++)
        for (size_t o = 0; o < OUT; o++) {
            double sum = 0;
            for (size_t i = 0; i < IN; i++)
                sum += (double)product.x[t * IN + i] * product.W[o * IN + i];
            compare_number("y", t * OUT + o, product.y[t * OUT + o], sum, 1e-5);
        }
    product_free(&product);
}

Test(benchmark, both_attentions_of_a_trial_agree) {
    enum { LENGTH = 70, HEADS = 2, COUNT = LENGTH * HEADS * TRIAL_HEAD };
    AttentionTrial trial;
    Error err;
    check_ok(attention_trial_new(&trial, LENGTH, HEADS, true, &err), &err);
    double *exact = new_doubles(COUNT);
    attention_in_double(&trial.attention, exact);
    check_ok(attention_textbook_run(&trial, &err), &err);
    compare_to_double("textbook", trial.attention.y, exact, COUNT,
                      (Tolerance){.absolute = 1e-5});
    memset(trial.attention.y, 0, COUNT * sizeof(float));
    check_ok(attention_blocked_run(&trial, &err), &err);
    compare_to_double("blocked", trial.attention.y, exact, COUNT,
                      (Tolerance){.absolute = 1e-5});
    free(exact);
    attention_trial_free(&trial);
}

// A step appends its key and value at the end of its own layer's.
Test(benchmark, attention_steps_take_turns_among_layers) {
    enum { LENGTH = 3, HEADS = 2, ROW = HEADS * TRIAL_HEAD };
    AttentionSteps steps;
    Error err;
    size_t bytes = attention_cache_bytes(HEADS, TRIAL_HEAD, LENGTH);
    check_ok(attention_steps_new(&steps, LENGTH, HEADS, 2 * bytes, &err), &err);
    cr_assert_eq(steps.layers, 3);
    cr_assert_eq(attention_steps_bytes(&steps), (double)bytes);
    const float *key = steps.row + ROW, *value = steps.row + 2 * ROW;
    for (size_t run = 0; run < 5; run++) {
        float *keys = steps.memory + run % 3 * 2 * LENGTH * ROW;
        float *last = keys + (LENGTH - 1) * ROW;
        float *values = last + LENGTH * ROW;
        last[0] = values[0] = 9;
        check_ok(attention_steps_run(&steps, &err), &err);
        compare_bits("key", last, key, ROW);
        compare_bits("value", values, value, ROW);
    }
    attention_steps_free(&steps);
}

// --- The command -------------------------------------------------------------

// `bench` with these words; what it printed.
static int run_command(Captured *printed, const char *one, const char *two,
                       const char *three) {
    char *argv[] = {"bench", (char *)one, (char *)two, (char *)three, NULL};
    int argc = 1 + !!one + !!two + !!three;
    capture_begin(printed);
    int status = command_bench(argc, argv);
    capture_end(printed);
    return status;
}

Test(benchmark, command_lists_them) {
    Captured printed;
    cr_assert_eq(run_command(&printed, "--list", NULL, NULL), 0);
    const char *at = printed.out;
    for (size_t i = 0; i < n_benchmarks; i++) {
        size_t length = strlen(benchmarks[i]->name);
        cr_assert(strncmp(at, benchmarks[i]->name, length) == 0 &&
                      at[length] == '\t',
                  "wanted %s, found %s", benchmarks[i]->name, at);
        at = strchr(at, '\n') + 1;
    }
    cr_assert_str_eq(at, "");
    cr_assert_str_eq(printed.err, "");
}

Test(benchmark, command_refuses_what_is_wrong) {
    Captured printed;
    cr_assert_eq(run_command(&printed, "--only", "speed", NULL), 2);
    cr_assert(strstr(printed.err, "minimamba: --only: wanted one of ladder, "),
              "found %s", printed.err);
    cr_assert_str_eq(printed.out, "");
    cr_assert_eq(run_command(&printed, "--quickly", NULL, NULL), 2);
    cr_assert_eq(run_command(&printed, "--only", NULL, NULL), 2);
    cr_assert_eq(run_command(&printed, "--quick", "now", NULL), 2);
    cr_assert_str_eq(printed.out, "");
}

Test(benchmark, command_helps) {
    Captured printed;
    cr_assert_eq(run_command(&printed, "--help", NULL, NULL), 0);
    const char *const options[] = {"--quick", "--out DIR", "--only NAME",
                                   "--list"};
    for (size_t i = 0; i < 4; i++)
        cr_assert(strstr(printed.out, options[i]), "wanted %s, found %s",
                  options[i], printed.out);
}
