#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "benchmark.h"
#include "command.h"

// The Makefile says from which commit it compiles.
#ifndef BUILD_COMMIT
#define BUILD_COMMIT "unknown"
#endif

// A model is measured as the command runs one.
_Static_assert((int)BENCH_CHUNK == (int)COMMAND_CHUNK, "as many tokens");

// What the command line says.
typedef struct {
    bool quick, list;
    const char *out, *only;
} BenchOptions;

static int parse(BenchOptions *chosen, int argc, char **argv) {
    const Option options[] = {
        {"quick", 0, OPTION_FLAG, &chosen->quick, NULL,
         "under a minute instead of ten: fewer and shorter runs", 0, 0},
        {"out", 'o', OPTION_TEXT, &chosen->out, "DIR",
         "write the figures' tables here (default: none)", 0, 0},
        {"only", 0, OPTION_TEXT, &chosen->only, "NAME",
         "run one of the benchmarks", 0, 0},
        {"list", 0, OPTION_FLAG, &chosen->list, NULL,
         "list the benchmarks and run none", 0, 0},
    };
    const CommandLine line = {
        .program = "minimamba bench",
        .summary = "Measures this machine: the scan, attention, and a model "
                   "of the 130m shape.",
        .options = options,
        .n_options = sizeof options / sizeof *options};
    int status = options_parse(&line, argc, argv, NULL);
    if (status != OPTIONS_CONTINUE || !chosen->only)
        return status;
    Error err;
    return benchmark_find(chosen->only, &err) ? OPTIONS_CONTINUE
                                              : options_wrong(&line, &err);
}

static void list_benchmarks(void) {
    for (size_t i = 0; i < n_benchmarks; i++)
        printf("%s\t%s\n", benchmarks[i]->name, benchmarks[i]->summary);
}

// One line on a terminal, over the one before it.
static void show(const char *what) {
    fprintf(stderr, "\r%-60s\r%s", "", what);
}

int command_bench(int argc, char **argv) {
    BenchOptions chosen = {0};
    int status = parse(&chosen, argc, argv);
    if (status != OPTIONS_CONTINUE)
        return status;

    Error err;
    if (chosen.list) {
        list_benchmarks();
        return command_end(true, &err);
    }
    bool terminal = isatty(STDERR_FILENO);
    Bench bench = bench_new(chosen.quick);
    bench.directory = chosen.out;
    bench.commit = BUILD_COMMIT;
    bench.progress = terminal ? show : NULL;
    bool ok = benchmark_run(&bench, chosen.only, &err);
    if (terminal && !ok)
        show("");
    if (ok)
        benchmark_targets(&bench);
    return command_end(ok, &err);
}
