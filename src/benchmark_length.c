#include <math.h>
#include <stdio.h>
#include <string.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "attention_trial.h"
#include "benchmark.h"
#include "cache.h"
#include "initialization.h"
#include "memory.h"

// --- What the system says ----------------------------------------------------

// A line of /proc/self/status in bytes, "VmHWM:  123 kB"; NaN where there is
// none.
static double status_bytes(const char *name) {
    char line[256];
    double kilobytes = NAN;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && isnan(kilobytes) && fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0)
            sscanf(line + strlen(name), ": %lf kB", &kilobytes);
    if (file)
        fclose(file);
    return 1024 * kilobytes;
}

// Linux forgets how much memory was in use at most, and counts anew.
static bool forget_peak(void) {
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (!file)
        return false;
    bool ok = fputs("5\n", file) >= 0;
    return fclose(file) == 0 && ok;
}

// Gives back to the system what was released, so that it does not count.
static void give_back(void) {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

// Does the work, and tells how many bytes more than before it had in use at
// most; NaN where the system cannot tell.
static bool peak_bytes(double *bytes, Work work, Error *err) {
    give_back();
    bool known = forget_peak();
    double before = status_bytes("VmRSS");
    if (!work.run(work.context, err))
        return false;
    *bytes = known ? status_bytes("VmHWM") - before : NAN;
    return true;
}

// --- What is read ------------------------------------------------------------

// One layer of the 130m model, which reads `length` tokens in chunks.
typedef struct {
    const Model *model;
    const ScanBackend *backend;
    int32_t *tokens;
    size_t length, n_heads;
} Reader;

static bool read_by_model(void *context, Error *err) {
    const Reader *reader = context;
    Session session;
    if (!session_new(&session, reader->model, 1, BENCH_CHUNK, reader->backend,
                     err))
        return false;
    bool ok =
        session_feed(&session, reader->tokens, reader->length, NULL, 0, err);
    session_free(&session);
    return ok;
}

static bool read_by_blocked(void *context, Error *err) {
    const Reader *reader = context;
    AttentionTrial trial;
    if (!attention_trial_new(&trial, reader->length, reader->n_heads, false,
                             err))
        return false;
    attention_blocked(&trial.attention);
    attention_trial_free(&trial);
    return true;
}

static bool read_by_textbook(void *context, Error *err) {
    const Reader *reader = context;
    AttentionTrial trial;
    if (!attention_trial_new(&trial, reader->length, reader->n_heads, true,
                             err))
        return false;
    attention_textbook(&trial.attention, trial.workspace);
    attention_trial_free(&trial);
    return true;
}

// --- The table ---------------------------------------------------------------

// Columns of the table behind the length: what the functions state, and what
// the system saw.
enum {
    MODEL_STATED,
    MODEL_SEEN,
    BLOCKED_STATED,
    BLOCKED_SEEN,
    TEXTBOOK_STATED,
    TEXTBOOK_SEEN,
    STATE,
    KEYS_VALUES,
    MEMORY_COLUMNS
};

static void memory_stated(const Reader *reader, double row[MEMORY_COLUMNS]) {
    size_t L = reader->length;
    Attention attention = {
        .length = L, .n_heads = reader->n_heads, .d_head = TRIAL_HEAD};
    double kept = (double)attention_cache_bytes(reader->n_heads, TRIAL_HEAD, L);
    double tiles = (double)(attention_tile_bytes * threads_now());
    row[MODEL_STATED] =
        (double)session_bytes(reader->model, 1, BENCH_CHUNK, reader->backend);
    row[BLOCKED_STATED] = 2 * kept + tiles;  // also the queries and the results
    row[TEXTBOOK_STATED] =
        2 * kept + (double)attention_textbook_workspace(&attention);
    row[STATE] = (double)cache_bytes(&reader->model->config);
    row[KEYS_VALUES] = kept;
}

// Attention is run only at lengths where that does not take long.
static bool memory_seen(const Bench *bench, Reader *reader,
                        double row[MEMORY_COLUMNS], Error *err) {
    size_t longest = bench->quick ? 1 << 11 : 1 << 13;
    bool short_enough = reader->length <= longest;
    bench_progress(bench, "memory for %zu tokens", reader->length);
    row[BLOCKED_SEEN] = row[TEXTBOOK_SEEN] = NAN;
    return peak_bytes(&row[MODEL_SEEN], (Work){read_by_model, reader}, err) &&
           (!short_enough ||
            (peak_bytes(&row[BLOCKED_SEEN], (Work){read_by_blocked, reader},
                        err) &&
             peak_bytes(&row[TEXTBOOK_SEEN], (Work){read_by_textbook, reader},
                        err)));
}

static bool memory_rows(Bench *bench, Reader *reader, Table *table,
                        Error *err) {
    size_t longest = bench_length(bench, bench->quick ? 1 << 13 : 1 << 16);
    double at_4096 = NAN, row[1 + MEMORY_COLUMNS];
    // Once for nothing: libraries allocate what they need for ever.
    reader->length = 2;
    if (!memory_seen(bench, reader, row + 1, err))
        return false;
    printf("  %8s%20s%20s%20s   megabytes\n", "", "one Mamba layer",
           "blocked attention", "textbook attention");
    printf("  %8s%10s%10s%10s%10s%10s%10s\n", "length", "stated", "seen",
           "stated", "seen", "stated", "seen");
    for (size_t length = 128; length <= longest; length *= 2) {
        reader->length = length;
        row[0] = (double)length;
        memory_stated(reader, row + 1);
        if (!memory_seen(bench, reader, row + 1, err))
            return false;
        bench_progress(bench, "%s", "");
        printf("  %8zu", length);
        for (size_t i = MODEL_STATED; i <= TEXTBOOK_SEEN; i++)
            printf("%10.3g", 1e-6 * row[1 + i]);
        printf("\n");
        table_row(table, row, 1 + MEMORY_COLUMNS);
        if (length == 4096)
            at_4096 = row[1 + MODEL_SEEN];
    }
    printf("\n");
    if (!isnan(at_4096))
        target_at_most(bench, "model-memory-longest-over-4096", 1.1,
                       row[1 + MODEL_SEEN] / at_4096);
    value("state-bytes", row[1 + STATE], 9);
    value("keys-and-values-bytes-there", row[1 + KEYS_VALUES], 9);
    return true;
}

// A layer of the 130m model, and bytes for it to read.
static bool reader_new(Reader *reader, Model *model, const Bench *bench,
                       size_t most, Error *err) {
    const size_t bytes = 256;
    Config config = bench_config(bench);
    config.n_layer = 1;
    config.vocab_size = bytes;
    *reader = (Reader){.model = model,
                       .n_heads = bench_heads(bench),
                       .backend = scan_backend("cpu", err)};
    if (!reader->backend || !model_initialize(model, &config, 0, err))
        return false;
    reader->tokens = allocate(most, sizeof *reader->tokens, "tokens", err);
    for (size_t i = 0; reader->tokens && i < most; i++)
        reader->tokens[i] = (int32_t)(i * i % bytes);
    if (!reader->tokens)
        model_free(model);
    return reader->tokens != NULL;
}

static void reader_free(Reader *reader, Model *model) {
    release(reader->tokens);
    model_free(model);
}

static bool run_memory(Bench *bench, Error *err) {
    Model model;
    Reader reader;
    Table table;
    if (!reader_new(&reader, &model, bench, 1 << 16, err))
        return false;
    bool ok =
        bench_table(bench, &table, "memory-length.tsv",
                    "Bytes for one layer: a Mamba layer of d_model 768 with "
                    "its workspace, attention of 24 heads of 64",
                    "length\tmodel_stated\tmodel_seen\tblocked_stated\t"
                    "blocked_seen\ttextbook_stated\ttextbook_seen\tstate\t"
                    "keys_values",
                    err) &&
        bench_table_end(&table, memory_rows(bench, &reader, &table, err), err);
    reader_free(&reader, &model);
    return ok;
}

const Benchmark benchmark_memory = {
    "memory", "What has to be kept, against the length", run_memory};

// --- Time --------------------------------------------------------------------

static bool length_rows(Bench *bench, Reader *reader, Table *table,
                        Error *err) {
    size_t longest = bench_length(bench, bench->quick ? 1 << 13 : 1 << 14);
    size_t n = 0;
    double length[8], seconds[8];  // from 2^12 on
    printf("  %8s%16s%22s\n", "length", "milliseconds", "microseconds a token");
    for (size_t L = 128; L <= longest; L *= 2) {
        Timing timing;
        reader->length = L;
        bench_progress(bench, "a Mamba layer, %zu tokens", L);
        if (!bench_measure(bench, &timing, &(Work){read_by_model, reader}, 1,
                           err))
            return false;
        double row[4] = {(double)L, timing.median, timing.least, timing.most};
        printf("  %8zu%16.4g%22.4g\n", L, 1e3 * row[1], 1e6 * row[1] / row[0]);
        table_row(table, row, 4);
        if (L >= 1 << 12) {
            length[n] = (double)L;
            seconds[n++] = timing.least;
        }
    }
    printf("\n");
    target_within(bench, "model-exponent", 0.97, 1.03,
                  power_law(length, seconds, n));
    return true;
}

static bool run_length(Bench *bench, Error *err) {
    Model model;
    Reader reader;
    Table table;
    if (!reader_new(&reader, &model, bench, 1 << 14, err))
        return false;
    bool ok =
        bench_table(bench, &table, "model-length.tsv",
                    "Seconds to read a text with a Mamba of one layer, d_model "
                    "768, 256 tokens at a time",
                    "length\tmedian\tleast\tmost", err) &&
        bench_table_end(&table, length_rows(bench, &reader, &table, err), err);
    reader_free(&reader, &model);
    return ok;
}

const Benchmark benchmark_length = {
    "length", "A model's time against the length", run_length};
