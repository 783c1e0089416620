#include <math.h>
#include <stdio.h>
#include <string.h>

#include "benchmark.h"
#include "conv1d.h"
#include "discretization.h"
#include "initialization.h"
#include "linear.h"
#include "machine.h"
#include "memory.h"
#include "rmsnorm.h"
#include "session.h"
#include "silu.h"

// --- The parts of a model ----------------------------------------------------

typedef enum {
    IN_PROJ,
    CONV1D,  // and its SiLU
    X_PROJ,
    DT_PROJ,  // and softplus
    SCAN,     // with D and the gate
    OUT_PROJ,
    HEAD,
    REST,  // embedding, norms, residual stream
    PARTS
} Part;

static const char *const part_names[PARTS] = {"in_proj", "conv1d", "x_proj",
                                              "dt_proj", "scan",   "out_proj",
                                              "head",    "rest"};

// One part of the model, all tokens and layers of it, or for PARTS the whole
// model: a chunk after the other, and at the end the head of the last token.
typedef struct {
    Session *session;
    const int32_t *tokens;  // (length)
    size_t length;
    float *logits;  // (V)
    Part part;
} PartRun;

// The projections, where a layer's numbers are.
static void run_projection(const PartRun *run, const BlockWeights *weights,
                           size_t rows) {
    const BlockActivations *act = &run->session->activations;
    const BlockShape *shape = &run->session->model->shape;
    size_t D = shape->d_inner, N = shape->d_state, R = shape->dt_rank;
    Matrix in = weights->in_proj_weight, x = weights->x_proj_weight;
    if (run->part == IN_PROJ) {
        linear(act->x_raw, act->u, matrix_rows(in, 0, D), NULL, rows);
        linear(act->z, act->u, matrix_rows(in, D, D), NULL, rows);
    } else if (run->part == X_PROJ) {
        linear(act->dt, act->x, matrix_rows(x, 0, R), NULL, rows);
        linear(act->B, act->x, matrix_rows(x, R, N), NULL, rows);
        linear(act->C, act->x, matrix_rows(x, R + N, N), NULL, rows);
    } else if (run->part == DT_PROJ) {
        linear(act->delta, act->dt, weights->dt_proj_weight,
               weights->dt_proj_bias, rows);
        softplus_in_place(act->delta, rows * D);
    } else if (run->part == OUT_PROJ) {
        linear(act->out, act->y, weights->out_proj_weight, NULL, rows);
    }
}

static bool run_scan(const Session *session, size_t layer, size_t rows,
                     Error *err) {
    const BlockActivations *act = &session->activations;
    const BlockShape *shape = &session->model->shape;
    const BlockWeights *weights = &session->model->layers[layer];
    Scan scan = {.batch = 1,
                 .length = rows,
                 .d_inner = shape->d_inner,
                 .d_state = shape->d_state,
                 .u = act->x,
                 .delta = act->delta,
                 .A = weights->A,
                 .B = act->B,
                 .C = act->C,
                 .D = weights->D,
                 .z = act->z,
                 .h = session->layers[layer].ssm_state,
                 .y = act->y};
    return session->backend->run(&scan, act->scan_scratch, err);
}

// What of a layer is no projection.
static bool run_between(const PartRun *run, size_t layer, size_t rows,
                        Error *err) {
    const Session *session = run->session;
    const BlockActivations *act = &session->activations;
    const BlockShape *shape = &session->model->shape;
    const BlockWeights *weights = &session->model->layers[layer];
    size_t d_model = shape->d_model, D = shape->d_inner;
    if (run->part == CONV1D) {
        conv1d(act->x, act->x_raw, weights->conv1d_weight, weights->conv1d_bias,
               session->layers[layer].conv_state, rows, D, shape->d_conv);
        silu_in_place(act->x, rows * D);
    } else if (run->part == SCAN) {
        return run_scan(session, layer, rows, err);
    } else if (run->part == REST) {
        rmsnorm(act->u, session->r, weights->norm_weight, rows, d_model,
                shape->norm_eps);
        for (size_t i = 0; i < rows * d_model; i++)
            session->r[i] += act->out[i];
    }
    return true;
}

static bool run_part(void *context, Error *err) {
    const PartRun *run = context;
    Session *session = run->session;
    const Model *model = session->model;
    if (run->part == PARTS) {
        session_reset(session);
        return session_feed(session, run->tokens, run->length, run->logits, 1,
                            err);
    }
    for (size_t t = 0, rows; t < run->length; t += rows) {
        rows =
            run->length - t < session->chunk ? run->length - t : session->chunk;
        if (run->part == REST)
            model_embed(model, session->r, run->tokens + t, rows);
        for (size_t i = 0; i < model->config.n_layer; i++) {
            run_projection(run, &model->layers[i], rows);
            if (!run_between(run, i, rows, err))
                return false;
        }
    }
    if (run->part == HEAD)
        model_head(model, run->logits, session->r, session->activations.u, 1);
    return true;
}

// Multiplications and additions of the matrix products of `length` tokens.
static double projection_flops(const Model *model, size_t length) {
    const BlockShape *shape = &model->shape;
    size_t D = shape->d_inner, R = shape->dt_rank;
    // in_proj and out_proj, x_proj, dt_proj; and the head, once
    size_t layer =
        3 * D * shape->d_model + (R + 2 * shape->d_state) * D + R * D;
    size_t head = config_padded_vocab_size(&model->config) * shape->d_model;
    return 2 *
           ((double)(model->config.n_layer * layer * length) + (double)head);
}

// --- Where the time goes -----------------------------------------------------

// A session, what it reads, and beside it the machine's own rate of products.
typedef struct {
    Session session;
    int32_t *tokens;
    float *logits;
    Product product;
} Stage;

enum { PREFILL_LENGTH = 2048, PREFILL_QUICK = 512, SQUARE = 2048 };

static void stage_free(Stage *stage) {
    session_free(&stage->session);
    release(stage->tokens);
    release(stage->logits);
    product_free(&stage->product);
}

static bool stage_new(Stage *stage, const Model *model, size_t square,
                      Error *err) {
    const ScanBackend *cpu = scan_backend("cpu", err);
    size_t vocabulary = config_padded_vocab_size(&model->config);
    *stage = (Stage){0};
    stage->tokens =
        allocate(PREFILL_LENGTH, sizeof *stage->tokens, "tokens", err);
    stage->logits = allocate(vocabulary, sizeof *stage->logits, "logits", err);
    if (!cpu || !stage->tokens || !stage->logits ||
        !session_new(&stage->session, model, 1, BENCH_CHUNK, cpu, err) ||
        !product_new(&stage->product, square, square, square, err)) {
        stage_free(stage);
        return false;
    }
    for (size_t i = 0; i < PREFILL_LENGTH; i++)
        stage->tokens[i] = (int32_t)(i * i % model->config.vocab_size);
    return true;
}

// Timings of all parts, of the whole model at PARTS, and behind it of the
// square product.
enum { SQUARE_PRODUCT = PARTS + 1, TIMED };

static bool measure_parts(const Bench *bench, Stage *stage, size_t length,
                          Timing timings[TIMED], Error *err) {
    PartRun runs[PARTS + 1];
    Work works[TIMED];
    for (Part part = 0; part <= PARTS; part++) {
        runs[part] = (PartRun){&stage->session, stage->tokens, length,
                               stage->logits, part};
        works[part] = (Work){run_part, &runs[part]};
    }
    works[SQUARE_PRODUCT] = (Work){product_run, &stage->product};
    return bench_measure(bench, timings, works, TIMED, err);
}

// A row for each part: milliseconds, and the share of the whole.
static void part_rows(Table *table, const Timing timings[TIMED]) {
    double whole = timings[PARTS].median, sum = 0;
    printf("  %-12s%16s%10s\n", "", "milliseconds", "share");
    for (Part part = 0; part < PARTS; part++) {
        double seconds = timings[part].median;
        double row[2] = {1e3 * seconds, seconds / whole};
        printf("  %-12s%16.4g%9.1f%%\n", part_names[part], row[0],
               100 * row[1]);
        bench_row(table, part_names[part], row, 2);
        sum += seconds;
    }
    printf("  %-12s%16.4g%9.1f%%\n", "sum", 1e3 * sum, 100 * sum / whole);
    printf("  %-12s%16.4g\n\n", "the model", 1e3 * whole);
}

static bool prefill(Bench *bench, Stage *stage, Table *table, Error *err) {
    size_t length =
        bench_length(bench, bench->quick ? PREFILL_QUICK : PREFILL_LENGTH);
    Timing timings[TIMED];
    bench_progress(bench, "the parts of a model, %zu tokens", length);
    printf("Reading %zu tokens, %d at a time:\n\n", length, BENCH_CHUNK);
    if (!measure_parts(bench, stage, length, timings, err))
        return false;
    part_rows(table, timings);
    double whole = timings[PARTS].median;
    double rate =
        product_flops(&stage->product) / timings[SQUARE_PRODUCT].median;
    double alone = projection_flops(stage->session.model, length) / rate;
    value("prefill-tokens-per-second", (double)length / whole, 3);
    target_at_least(bench, "prefill-sgemm-share", 0.75, alone / whole);
    return true;
}

static bool decoding(const Bench *bench, Stage *stage, Table *table,
                     Error *err) {
    Timing timings[TIMED];
    bench_progress(bench, "the parts of a model, one token");
    printf("\nReading one token:\n\n");
    if (!measure_parts(bench, stage, 1, timings, err))
        return false;
    part_rows(table, timings);
    value("decoding-tokens-per-second", 1 / timings[PARTS].median, 3);
    return true;
}

static const char columns[] = "part\tmilliseconds\tshare";

static bool run_model(Bench *bench, Error *err) {
    Config config = bench_config(bench);
    Model model;
    Stage stage;
    Table table;
    bench_progress(bench, "making a model");
    if (!model_initialize(&model, &config, 0, err))
        return false;
    bool ok = stage_new(&stage, &model, bench_length(bench, SQUARE), err);
    if (ok) {
        ok =
            bench_table(bench, &table, "prefill-parts.tsv",
                        "Where a model of the 130m shape spends its time, "
                        "reading a prompt",
                        columns, err) &&
            bench_table_end(&table, prefill(bench, &stage, &table, err), err) &&
            bench_table(bench, &table, "decoding-parts.tsv",
                        "Where a model of the 130m shape spends its time, "
                        "reading one token",
                        columns, err) &&
            bench_table_end(&table, decoding(bench, &stage, &table, err), err);
        stage_free(&stage);
    }
    model_free(&model);
    return ok;
}

const Benchmark benchmark_model = {
    "model", "Where the time of a model of the 130m shape goes", run_model};
