#include <stdio.h>

#include "benchmark.h"
#include "initialization.h"
#include "machine.h"
#include "memory.h"
#include "session.h"

enum { TYPES = 3 };
static const MatrixType types[TYPES] = {MATRIX_F32, MATRIX_BF16, MATRIX_INT8};

// One matrix in the place of `memory`.
static bool narrow_matrix(Model *narrow, const Model *model, size_t i,
                          char *memory, MatrixType type, Error *err) {
    const Parameter *parameter = &model->parameters[i];
    size_t out = parameter->shape[0], in = parameter->shape[1];
    for (size_t o = 0; o < out; o++)
        if (!matrix_write_row(type, memory, out, in, o,
                              model->numbers[i] + o * in))
            return fail(err, "%s: wanted finite numbers, found others",
                        parameter->name);
    narrow->numbers[i] = NULL;
    narrow->matrices[i] = matrix_at(type, memory, out, in);
    return true;
}

// The same model with its matrices in fewer bits. The rest it shares with the
// first one, which must live as long.
static bool narrow_model(Model *narrow, const Model *model, MatrixType type,
                         Error *err) {
    const size_t alignment = 64;
    if (!model_new(narrow, &model->config, model->name, err))
        return false;
    size_t bytes = parameter_bytes(&model->config, type);
    char *next = allocate(bytes + alignment * model->n_parameters, 1,
                          "narrow weights", err);
    bool ok = next != NULL;
    narrow->storage = (float *)(void *)next;
    narrow->weights = type;
    for (size_t i = 0; ok && i < model->n_parameters; i++) {
        const Parameter *parameter = &model->parameters[i];
        narrow->numbers[i] = model->numbers[i];
        if (!parameter_is_matrix(parameter->role))
            continue;
        ok = narrow_matrix(narrow, model, i, next, type, err);
        bytes = matrix_bytes(type, parameter->shape[0], parameter->shape[1]);
        next += (bytes + alignment - 1) / alignment * alignment;
    }
    if (ok)
        model_bind(narrow);
    else
        model_free(narrow);
    return ok;
}

// A model with each type of weights, a session with each, and what they write.
typedef struct {
    size_t n;  // that are there
    Model models[TYPES];
    Session sessions[TYPES];
    float *logits;
} Decoders;

static void decoders_free(Decoders *decoders) {
    for (size_t i = 0; i < decoders->n; i++)
        session_free(&decoders->sessions[i]);
    for (size_t i = decoders->n; i-- > 0;)
        model_free(&decoders->models[i]);
    release(decoders->logits);
}

static bool decoders_new(Decoders *decoders, const Bench *bench, Error *err) {
    Config config = bench_config(bench);
    const ScanBackend *cpu = scan_backend("cpu", err);
    *decoders = (Decoders){0};
    decoders->logits = allocate(config_padded_vocab_size(&config),
                                sizeof(float), "logits", err);
    bool ok = cpu && decoders->logits;
    for (size_t i = 0; ok && i < TYPES; i++) {
        Model *model = &decoders->models[i];
        ok = i ? narrow_model(model, &decoders->models[0], types[i], err)
               : model_initialize(model, &config, 0, err);
        if (ok && !session_new(&decoders->sessions[i], model, 1, 1, cpu, err)) {
            model_free(model);
            ok = false;
        }
        decoders->n += ok;
    }
    if (!ok)
        decoders_free(decoders);
    return ok;
}

// One token through a model.
typedef struct {
    Session *session;
    float *logits;
} TokenRun;

static bool token_run(void *context, Error *err) {
    const TokenRun *run = context;
    const int32_t token = 1;
    return session_feed(run->session, &token, 1, run->logits, 1, err);
}

// Times a token of each model, and reading.
static bool weights_measure(const Bench *bench, Decoders *decoders,
                            Reading *reading, Timing timings[TYPES + 1],
                            Error *err) {
    TokenRun runs[TYPES];
    Work works[TYPES + 1];
    for (size_t i = 0; i < TYPES; i++) {
        runs[i] = (TokenRun){&decoders->sessions[i], decoders->logits};
        works[i] = (Work){token_run, &runs[i]};
    }
    works[TYPES] = (Work){reading_run, reading};
    bench_progress(bench, "tokens with %zu threads", threads_now());
    return bench_measure(bench, timings, works, TYPES + 1, err);
}

// For each type: tokens a second with one thread and with all, gigabytes read
// for a token, and the part of the memory's speed that is used.
static bool weights_rows(Bench *bench, Decoders *decoders, Reading *reading,
                         Table *table, Error *err) {
    Timing one[TYPES + 1], all[TYPES + 1];
    size_t threads = threads_use(1);
    bool ok = weights_measure(bench, decoders, reading, one, err);
    threads_use(threads);
    if (!ok || !weights_measure(bench, decoders, reading, all, err))
        return false;
    double speed = reading_bytes(reading) / all[TYPES].median, used[TYPES];
    printf("  %-8s%14s%14s%16s%12s\n", "weights", "one thread", "all threads",
           "megabytes", "of memory");
    for (size_t i = 0; i < TYPES; i++) {
        double bytes =
            (double)parameter_bytes(&decoders->models[0].config, types[i]);
        used[i] = bytes / all[i].median / speed;
        double row[4] = {1 / one[i].median, 1 / all[i].median, 1e-6 * bytes,
                         used[i]};
        printf("  %-8s%14.4g%14.4g%16.4g%11.0f%%\n", matrix_type_name(types[i]),
               row[0], row[1], row[2], 100 * row[3]);
        bench_row(table, matrix_type_name(types[i]), row, 4);
    }
    printf("\n");
    value("read-gigabytes-per-second", 1e-9 * speed, 3);
    target_at_least(bench, "decoding-over-bandwidth", 0.85, used[0]);
    target_at_least(bench, "bf16-over-f32", 1.8, all[0].median / all[1].median);
    target_at_least(bench, "int8-over-f32", 3, all[0].median / all[2].median);
    return true;
}

static bool run_weights(Bench *bench, Error *err) {
    Decoders decoders;
    Reading reading;
    Table table;
    bench_progress(bench, "making models");
    if (!decoders_new(&decoders, bench, err))
        return false;
    bool ok = reading_new(&reading, bench->size.cold, err);
    if (ok) {
        ok = bench_table(bench, &table, "weights.tsv",
                         "Tokens a second of a model of the 130m shape; "
                         "megabytes read for one; part of the speed at which "
                         "memory is read",
                         "weights\tone_thread\tall_threads\tmegabytes\tused",
                         err) &&
             bench_table_end(
                 &table, weights_rows(bench, &decoders, &reading, &table, err),
                 err);
        reading_free(&reading);
    }
    decoders_free(&decoders);
    return ok;
}

const Benchmark benchmark_weights = {
    "weights", "Decoding with weights in 32, 16 and 8 bits", run_weights};
