// Chapter 5: the Mamba block, step by step, and what each part of it is for.
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "block.h"
#include "clock.h"
#include "conv1d.h"
#include "discretization.h"
#include "linear.h"
#include "matmul.h"
#include "memory.h"
#include "options.h"
#include "random.h"
#include "report.h"
#include "rmsnorm.h"
#include "scan_reference.h"
#include "silu.h"

// What the command line may change.
typedef struct {
    size_t d_model, expand, d_state, d_conv, dt_rank, length, width;
    uint64_t seed;
    const char *tsv;
} Settings;

// --- What several sections use ----------------------------------------------

static double root_mean_square(const float *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    return n ? sqrt(sum / (double)n) : 0;
}

// dt_rank `auto`: d_model / 16, rounded up.
static size_t auto_dt_rank(size_t d_model) {
    return (d_model + 15) / 16;
}

static BlockShape chosen_shape(const Settings *settings) {
    return (BlockShape){.d_model = settings->d_model,
                        .d_inner = settings->expand * settings->d_model,
                        .d_state = settings->d_state,
                        .d_conv = settings->d_conv,
                        .dt_rank = settings->dt_rank
                                       ? settings->dt_rank
                                       : auto_dt_rank(settings->d_model),
                        .norm_eps = 1e-5f};
}

// --- A block with random weights --------------------------------------------

// How many numbers each weight of a block has.
typedef struct {
    size_t norm, in_proj, conv1d, conv1d_bias, x_proj, dt_proj, dt_proj_bias;
    size_t A_log, D, out_proj;
} Parameters;

static Parameters count_parameters(const BlockShape *s) {
    return (Parameters){
        .norm = s->d_model,
        .in_proj = 2 * s->d_inner * s->d_model,
        .conv1d = s->d_inner * s->d_conv,
        .conv1d_bias = s->d_inner,
        .x_proj = (s->dt_rank + 2 * s->d_state) * s->d_inner,
        .dt_proj = s->d_inner * s->dt_rank,
        .dt_proj_bias = s->d_inner,
        .A_log = s->d_inner * s->d_state,
        .D = s->d_inner,
        .out_proj = s->d_model * s->d_inner,
    };
}

static size_t sum_parameters(const Parameters *p) {
    return p->norm + p->in_proj + p->conv1d + p->conv1d_bias + p->x_proj +
           p->dt_proj + p->dt_proj_bias + p->A_log + p->D + p->out_proj;
}

// A block with random weights, one sequence of random tokens, and room.
typedef struct {
    BlockShape shape;
    BlockWeights weights;
    const ScanBackend *backend;
    size_t length;
    float *tokens;  // (L, d_model): what goes in
    float *r;       // (L, d_model): the residual stream
    BlockState state;
    BlockActivations act;
    float *spare;  // r, the states, (L, d_inner), and 2 (d_inner + N)
    float *numbers;
    void *workspace;
} Example;

// n numbers from *room: uniform between -limit and limit.
static float *random_weight(float **room, size_t n, double limit,
                            Random *random) {
    float *weight = *room;
    *room += n;
    for (size_t i = 0; i < n; i++)
        weight[i] = (float)random_uniform(random, -limit, limit);
    return weight;
}

// A matrix (out, in) of such numbers.
static Matrix random_matrix(float **room, size_t out, size_t in, double limit,
                            Random *random) {
    return matrix_f32(random_weight(room, out * in, limit, random), out, in);
}

// n numbers from *room, all the same.
static float *constant_weight(float **room, size_t n, float number) {
    float *weight = *room;
    *room += n;
    for (size_t i = 0; i < n; i++)
        weight[i] = number;
    return weight;
}

// The bias that makes a first Delta between 0.001 and 0.1, uniform in its
// logarithm: softplus(bias) = Delta.
static float *first_deltas(float **room, size_t n, Random *random) {
    float *bias = constant_weight(room, n, 0);
    for (size_t i = 0; i < n; i++) {
        double delta = exp(random_uniform(random, log(0.001), log(0.1)));
        bias[i] = (float)softplus_inverse(delta);
    }
    return bias;
}

// A = -1, -2 .. -N for every channel.
static float *first_A(float **room, size_t d_inner, size_t d_state) {
    float *A = constant_weight(room, d_inner * d_state, 0);
    for (size_t i = 0; i < d_inner * d_state; i++)
        A[i] = -(float)(i % d_state + 1);
    return A;
}

// Weights as a new model has them (chapter 6 says why), from *room.
static BlockWeights random_weights(const BlockShape *shape, float **room,
                                   Random *random) {
    Parameters n = count_parameters(shape);
    double model = 1 / sqrt((double)shape->d_model);
    double inner = 1 / sqrt((double)shape->d_inner);
    double rank = 1 / sqrt((double)shape->dt_rank);
    double conv = 1 / sqrt((double)shape->d_conv);
    size_t d_model = shape->d_model, d_inner = shape->d_inner;
    size_t R = shape->dt_rank, N = shape->d_state;
    BlockWeights w = {0};
    w.norm_weight = constant_weight(room, n.norm, 1);
    w.in_proj_weight = random_matrix(room, 2 * d_inner, d_model, model, random);
    w.conv1d_weight = random_weight(room, n.conv1d, conv, random);
    w.conv1d_bias = random_weight(room, n.conv1d_bias, conv, random);
    w.x_proj_weight = random_matrix(room, R + 2 * N, d_inner, inner, random);
    w.dt_proj_weight = random_matrix(room, d_inner, R, rank, random);
    w.dt_proj_bias = first_deltas(room, n.dt_proj_bias, random);
    w.A = first_A(room, shape->d_inner, shape->d_state);
    w.D = constant_weight(room, n.D, 1);
    w.out_proj_weight = random_matrix(room, d_model, d_inner, inner, random);
    return w;
}

// How many numbers a block remembers of a sequence.
static size_t state_count(const BlockShape *shape) {
    return (shape->d_conv - 1 + shape->d_state) * shape->d_inner;
}

// How many numbers a run leaves: r, conv_state and ssm_state, which lie behind
// one another.
static size_t result_count(const Example *e) {
    return e->length * e->shape.d_model + state_count(&e->shape);
}

static void example_free(Example *e) {
    release(e->numbers);
    release(e->workspace);
    *e = (Example){0};
}

// Memory for an example of e's shape, length and backend.
static bool example_allocate(Example *e, Error *err) {
    Parameters parameters = count_parameters(&e->shape);
    size_t n = sum_parameters(&parameters) + e->length * e->shape.d_model +
               2 * result_count(e) + e->length * e->shape.d_inner +
               2 * (e->shape.d_inner + e->shape.d_state);
    e->numbers = allocate(n, sizeof *e->numbers, "a block", err);
    if (e->numbers)
        e->workspace =
            allocate(block_workspace_bytes(&e->shape, 1, e->length, e->backend),
                     1, "a block's workspace", err);
    return e->workspace != NULL;
}

static bool example_make(Example *e, const BlockShape *shape, size_t length,
                         uint64_t seed, Error *err) {
    *e = (Example){
        .shape = *shape, .length = length, .backend = scan_backend("cpu", err)};
    if (!e->backend || !example_allocate(e, err)) {
        example_free(e);
        return false;
    }
    size_t n = length * shape->d_model;
    Random random = random_from_seed(seed);
    float *room = e->numbers;
    e->weights = random_weights(shape, &room, &random);
    e->tokens = room;
    for (size_t i = 0; i < n; i++)
        e->tokens[i] = (float)random_normal(&random, 0, 1);
    e->r = e->tokens + n;
    e->state.conv_state = e->r + n;
    e->state.ssm_state =
        e->state.conv_state + (shape->d_conv - 1) * shape->d_inner;
    e->spare = e->r + result_count(e);
    e->act = block_activations(shape, 1, length, e->workspace);
    return true;
}

// The beginning: the tokens in r, and states of zero.
static void begin(Example *e) {
    size_t n = e->length * e->shape.d_model;
    memcpy(e->r, e->tokens, n * sizeof *e->r);
    memset(e->state.conv_state, 0, state_count(&e->shape) * sizeof(float));
}

// The next tokens, [first, end), through the block.
static bool go_on(Example *e, size_t first, size_t end, Error *err) {
    return block_forward(&e->shape, &e->weights,
                         e->r + first * e->shape.d_model, e->state, 1,
                         end - first, e->backend, &e->act, err);
}

// --- A linear layer by hand -------------------------------------------------

static void print_row(const char *name, const float *row, size_t n) {
    printf("  %-12s", name);
    for (size_t i = 0; i < n; i++)
        printf("%6g", row[i]);
    printf("\n");
}

static void linear_by_hand(void) {
    const float x[] = {1, 2, 3, 4, 5, 6};
    const float W[] = {1, 0, -1, 2, 2, 2}, bias[] = {10, 100};
    float y[4];
    section("linear-by-hand", "A linear layer, 3 numbers in and 2 out");
    print_row("W, row 0", W, 3);
    print_row("W, row 1", W + 3, 3);
    print_row("bias", bias, 2);
    for (size_t t = 0; t < 2; t++) {
        linear(y, x, matrix_f32(W, 2, 3), NULL, 2);
        printf("\n");
        print_row(t == 0 ? "token 0" : "token 1", x + 3 * t, 3);
        print_row("x W^T", y + 2 * t, 2);
        linear(y, x, matrix_f32(W, 2, 3), bias, 2);
        print_row("and bias", y + 2 * t, 2);
    }
}

// --- One block, step by step ------------------------------------------------

enum { SHOWN = 4 };

// One step: its name, its shape, and the last token's first numbers.
static void print_step(const char *name, const float *x, size_t rows,
                       size_t columns) {
    char shape[32];
    snprintf(shape, sizeof shape, "(%zu, %zu)", rows, columns);
    printf("  %-36s%-10s", name, shape);
    for (size_t i = 0; i < columns && i < SHOWN; i++)
        printf("%7.3f", x[(rows - 1) * columns + i]);
    printf("\n");
}

static void print_steps(const Example *e) {
    const BlockActivations *act = &e->act;
    const BlockShape *s = &e->shape;
    size_t L = e->length;
    print_step("0    the residual stream r", e->tokens, L, s->d_model);
    print_step("0    u = RMSNorm(r)", act->u, L, s->d_model);
    print_step("1    x, first half of in_proj(u)", act->x_raw, L, s->d_inner);
    print_step("1    z, second half", act->z, L, s->d_inner);
    print_step("2    x = SiLU(conv1d(x))", act->x, L, s->d_inner);
    print_step("3    dt, first rows of x_proj(x)", act->dt, L, s->dt_rank);
    print_step("3    B, the next", act->B, L, s->d_state);
    print_step("3    C, the last", act->C, L, s->d_state);
    print_step("4    Delta = softplus(dt_proj(dt))", act->delta, L, s->d_inner);
    print_step("5, 6 y = scan with D, times SiLU(z)", act->y, L, s->d_inner);
    print_step("7    out_proj(y)", act->out, L, s->d_model);
    print_step("7    r + out_proj(y)", e->r, L, s->d_model);
}

static bool one_block(const Settings *settings, Error *err) {
    enum { LENGTH = 3 };
    BlockShape shape = chosen_shape(settings);
    Example e;
    section("one-block", "One block, step by step");
    printf("d_model %zu, d_inner %zu, d_state %zu, d_conv %zu, dt_rank %zu; "
           "random weights,\n%d random tokens. Each line is one result: its "
           "shape (tokens, numbers for each),\nand the last token's first "
           "numbers.\n\n",
           shape.d_model, shape.d_inner, shape.d_state, shape.d_conv,
           shape.dt_rank, LENGTH);
    if (!example_make(&e, &shape, LENGTH, settings->seed, err))
        return false;
    begin(&e);
    bool ok = go_on(&e, 0, LENGTH, err);
    if (ok)
        print_steps(&e);
    example_free(&e);
    printf("\nThe projections (1, 3, 4, 7) see one token at a time. Only the "
           "convolution (2)\nand the scan (5) look back. What goes in comes "
           "out in the same shape, with\nsomething added: so blocks can be "
           "stacked.\n");
    return ok;
}

// --- Where parameters and operations go -------------------------------------

// One part of a block: its parameters, and for each token its multiplications
// and exponentials.
typedef struct {
    const char *name;
    size_t parameters, multiplications, exps;
} Part;

enum { N_PARTS = 8 };

static void count_parts(Part parts[N_PARTS], const BlockShape *s) {
    Parameters n = count_parameters(s);
    size_t d = s->d_model, i = s->d_inner, states = s->d_inner * s->d_state;
    const Part counted[N_PARTS] = {
        // x^2 for the mean, then x / rms w
        {"norm", n.norm, 3 * d, 0},
        {"in_proj", n.in_proj, n.in_proj, 0},
        // the taps, then SiLU
        {"conv1d, SiLU", n.conv1d + n.conv1d_bias, n.conv1d, i},
        {"x_proj", n.x_proj, n.x_proj, 0},
        // the product, then softplus
        {"dt_proj, softplus", n.dt_proj + n.dt_proj_bias, n.dt_proj, i},
        // Delta A, (Delta u) B, a h, C h for each state; Delta u and D u
        {"scan: A_log, D", n.A_log + n.D, 4 * states + 2 * i, states},
        // y SiLU(z)
        {"gate SiLU(z)", 0, i, i},
        {"out_proj", n.out_proj, n.out_proj, 0},
    };
    memcpy(parts, counted, sizeof counted);
}

static Part sum_parts(const Part parts[N_PARTS]) {
    Part sum = {"together", 0, 0, 0};
    for (size_t i = 0; i < N_PARTS; i++) {
        sum.parameters += parts[i].parameters;
        sum.multiplications += parts[i].multiplications;
        sum.exps += parts[i].exps;
    }
    return sum;
}

static double percent(size_t part, size_t whole) {
    return 100 * (double)part / (double)whole;
}

static void print_part(const Part *part, const Part *sum) {
    printf("  %-18s%12zu%7.1f %%%18zu%7.1f %%%10zu\n", part->name,
           part->parameters, percent(part->parameters, sum->parameters),
           part->multiplications,
           percent(part->multiplications, sum->multiplications), part->exps);
}

// The shape that the official code would choose for a width.
static BlockShape official_shape(size_t d_model) {
    return (BlockShape){.d_model = d_model,
                        .d_inner = 2 * d_model,
                        .d_state = 16,
                        .d_conv = 4,
                        .dt_rank = auto_dt_rank(d_model),
                        .norm_eps = 1e-5f};
}

// For the figure: each part's parameters as the width grows.
static bool write_parameters(const char *tsv, Error *err) {
    Table table;
    if (!table_begin(&table, tsv, "parameters.tsv",
                     "d_model\tnorm\tin_proj\tconv1d\tx_proj\tdt_proj\t"
                     "A_log_and_D\tout_proj",
                     err))
        return false;
    for (size_t d_model = 32; d_model <= 4096; d_model *= 2) {
        BlockShape shape = official_shape(d_model);
        Parameters n = count_parameters(&shape);
        const double row[] = {
            (double)d_model,         (double)n.norm,
            (double)n.in_proj,       (double)(n.conv1d + n.conv1d_bias),
            (double)n.x_proj,        (double)(n.dt_proj + n.dt_proj_bias),
            (double)(n.A_log + n.D), (double)n.out_proj};
        table_row(&table, row, sizeof row / sizeof *row);
    }
    return table_end(&table, err);
}

// For the figure: each part's share of the parameters, the multiplications and
// the exponentials, in percent.
static bool write_shares(const char *tsv, const Part parts[N_PARTS],
                         const Part *sum, Error *err) {
    Table table;
    if (!table_begin(&table, tsv, "parts.tsv",
                     "part\tparameters\tmultiplications\texps", err))
        return false;
    for (size_t i = 0; i < N_PARTS; i++) {
        const double row[] = {
            (double)i, percent(parts[i].parameters, sum->parameters),
            percent(parts[i].multiplications, sum->multiplications),
            percent(parts[i].exps, sum->exps)};
        table_row(&table, row, sizeof row / sizeof *row);
    }
    return table_end(&table, err);
}

// What a whole model has: blocks, the embedding and the last norm.
static size_t model_parameters(size_t n_layer, size_t d_model, size_t tokens) {
    BlockShape shape = official_shape(d_model);
    Parameters n = count_parameters(&shape);
    return n_layer * sum_parameters(&n) + tokens * d_model + d_model;
}

static void print_shares(const Part parts[N_PARTS], const Part *sum) {
    const Part *in_proj = &parts[1], *scan = &parts[5], *out_proj = &parts[7];
    printf("\nin_proj and out_proj have %.0f %% of the parameters and %.0f %% "
           "of the\nmultiplications. The scan, which the model is known for, "
           "has %.1f %% and %.1f %%,\nbut %.0f %% of the exponentials.\n",
           percent(in_proj->parameters + out_proj->parameters, sum->parameters),
           percent(in_proj->multiplications + out_proj->multiplications,
                   sum->multiplications),
           percent(scan->parameters, sum->parameters),
           percent(scan->multiplications, sum->multiplications),
           percent(scan->exps, sum->exps));
    value("projections-parameters",
          percent(in_proj->parameters + out_proj->parameters, sum->parameters),
          3);
    value("scan-multiplications",
          percent(scan->multiplications, sum->multiplications), 2);
    value("scan-exps", percent(scan->exps, sum->exps), 3);
}

static bool where_parameters_go(const Settings *settings, Error *err) {
    enum { N_LAYER = 24, D_MODEL = 768, TOKENS = 50280 };
    BlockShape shape = official_shape(settings->width);
    Part parts[N_PARTS];
    count_parts(parts, &shape);
    Part sum = sum_parts(parts);
    section("parameters", "Where parameters and operations go");
    printf("d_model %zu and the official defaults: d_inner %zu, d_state %zu, "
           "d_conv %zu,\ndt_rank %zu. Multiplications and exponentials are for "
           "one token.\n\n",
           shape.d_model, shape.d_inner, shape.d_state, shape.d_conv,
           shape.dt_rank);
    printf("  %-18s%12s%9s%18s%9s%10s\n", "", "parameters", "",
           "multiplications", "", "exps");
    for (size_t i = 0; i < N_PARTS; i++)
        print_part(&parts[i], &sum);
    print_part(&sum, &sum);
    print_shares(parts, &sum);
    printf("\n%d such blocks of d_model %d, an embedding of %d tokens and a "
           "last norm are\nexactly mamba-130m:\n",
           N_LAYER, D_MODEL, TOKENS);
    value("mamba-130m-parameters",
          (double)model_parameters(N_LAYER, D_MODEL, TOKENS), 12);
    value("block-parameters", (double)sum.parameters, 12);
    return write_parameters(settings->tsv, err) &&
           write_shares(settings->tsv, parts, &sum, err);
}

static void print_layer(const char *name, size_t parameters,
                        size_t multiplications, size_t kept) {
    printf("  %-32s%12zu%18zu%14zu\n", name, parameters, multiplications, kept);
}

// One layer of attention and an MLP, for a token with so many tokens before it.
static Part attention_layer(size_t d, size_t context) {
    size_t matrices = 12 * d * d, norms = 2 * d;
    // q . k with every token before, and as much for the sum of their v.
    return (Part){"attention + MLP", matrices + norms,
                  matrices + 3 * norms + 2 * context * d, 0};
}

static void print_attention(size_t d) {
    for (size_t context = 1024; context <= 65536; context *= 8) {
        Part layer = attention_layer(d, context);
        char name[48];
        snprintf(name, sizeof name, "%s, context %zu", layer.name, context);
        // k and v of all tokens before are kept.
        print_layer(name, layer.parameters, layer.multiplications,
                    2 * context * d);
    }
}

// For the figure: multiplications for one token, by the context.
static bool write_context(const char *tsv, size_t d, const Part *block,
                          Error *err) {
    Table table;
    if (!table_begin(&table, tsv, "context.tsv",
                     "context\ttwo_blocks\tattention_and_MLP", err))
        return false;
    for (size_t context = 1; context <= 65536; context *= 2) {
        Part layer = attention_layer(d, context);
        const double row[] = {(double)context,
                              2 * (double)block->multiplications,
                              (double)layer.multiplications};
        table_row(&table, row, sizeof row / sizeof *row);
    }
    return table_end(&table, err);
}

// The context from which on a layer of attention multiplies more often than two
// blocks, and the one from which on it keeps more numbers.
static void print_equal_contexts(size_t d, const Part *block, size_t kept) {
    double two = 2 * (double)block->multiplications;
    double fixed = (double)attention_layer(d, 0).multiplications;
    double more = two > fixed ? (two - fixed) / (2 * (double)d) : 0;
    value("context-of-equal-multiplications", ceil(more), 12);
    value("context-of-equal-memory", ceil((double)kept / (double)d), 12);
}

static bool against_attention(const Settings *settings, Error *err) {
    BlockShape shape = official_shape(settings->width);
    Part parts[N_PARTS];
    count_parts(parts, &shape);
    Part block = sum_parts(parts);
    size_t d = settings->width, kept = state_count(&shape);
    section("against-attention", "Beside attention and an MLP");
    printf("A transformer's layer of the same width, d_model %zu: four square "
           "matrices for\nattention, an MLP four times as wide, two norms. Its "
           "operations for one token,\nand what it keeps, grow with the "
           "context: the tokens before this one.\n\n",
           d);
    printf("  %-32s%12s%18s%14s\n", "", "parameters", "multiplications",
           "numbers kept");
    print_layer("one Mamba block", block.parameters, block.multiplications,
                kept);
    print_layer("two Mamba blocks", 2 * block.parameters,
                2 * block.multiplications, 2 * kept);
    print_attention(d);
    double ratio = 2 * (double)block.parameters / (double)(12 * d * d + 2 * d);
    printf("\nTwo Mamba blocks have %.2f times the parameters of one such "
           "layer. What they\ncompute for a token, and keep of a sequence, "
           "does not grow.\n",
           ratio);
    value("two-blocks-over-one-layer", ratio, 3);
    print_equal_contexts(d, &block, kept);
    return write_context(settings->tsv, d, &block, err);
}

// When the scan is slower than attention, if one operation of the scan takes
// as long as so many multiplications of a matrix product.
static void against_attention_core(const Settings *settings) {
    BlockShape shape = official_shape(settings->width);
    Part parts[N_PARTS];
    count_parts(parts, &shape);
    const Part *scan = &parts[5];
    size_t operations = scan->multiplications + scan->exps;
    section("when-slower", "The scan alone beside attention alone");
    printf("For one token, d_model %zu. Attention multiplies %zu times with "
           "each token of\nits context, in matrix products. The scan "
           "multiplies %zu times and takes\n%zu exponentials, each number by "
           "itself. If one of these takes as long as so\nmany "
           "multiplications of a matrix product, attention is faster up to "
           "this\ncontext:\n\n  %12s%12s\n",
           settings->width, 2 * settings->width, scan->multiplications,
           scan->exps, "as long as", "context");
    for (size_t cost = 1; cost <= 64; cost *= 4)
        printf("  %12zu%12zu\n", cost,
               cost * operations / (2 * settings->width));
}

// --- Cut anywhere -----------------------------------------------------------

// In two calls, at every place there is; whole is what one call leaves.
static bool all_cuts(Example *e, const float *whole, Error *err) {
    double worst = 0;
    for (size_t cut = 0; cut <= e->length; cut++) {
        begin(e);
        if (!go_on(e, 0, cut, err) || !go_on(e, cut, e->length, err))
            return false;
        worst = larger(worst, largest_difference(e->r, whole, result_count(e)));
    }
    printf("%zu tokens in two calls, cut at every place from 0 to %zu.\n",
           e->length, e->length);
    return check_below("Largest difference from one call", worst, 1e-5, err);
}

// In calls of one token each.
static bool single_steps(Example *e, const float *whole, Error *err) {
    begin(e);
    for (size_t t = 0; t < e->length; t++)
        if (!go_on(e, t, t + 1, err))
            return false;
    printf("One token at a time.\n");
    return check_below("Largest difference from one call",
                       largest_difference(e->r, whole, result_count(e)), 1e-5,
                       err);
}

static bool cuts(const Settings *settings, Error *err) {
    BlockShape shape = chosen_shape(settings);
    Example e;
    section("cuts", "Cut anywhere, nothing changes");
    printf("A block takes two states in and leaves the new ones: conv_state, "
           "the last\nd_conv - 1 inputs of the convolution, and ssm_state, h. "
           "Compared are the\nresidual stream and both states.\n\n");
    if (!example_make(&e, &shape, settings->length, settings->seed, err))
        return false;
    begin(&e);
    bool ok = go_on(&e, 0, e.length, err);
    if (ok)
        memcpy(e.spare, e.r, result_count(&e) * sizeof *e.r);
    ok = ok && all_cuts(&e, e.spare, err) && single_steps(&e, e.spare, err);
    example_free(&e);
    return ok;
}

// conv_state of channel 0 after a prompt, and the inputs it came from.
static bool short_prompt(Example *e, size_t prompt, Error *err) {
    size_t d_inner = e->shape.d_inner, K = e->shape.d_conv;
    size_t first = prompt > SHOWN ? prompt - SHOWN : 0;
    begin(e);
    if (!go_on(e, 0, prompt, err))
        return false;
    printf("  %6zu   ", prompt);
    for (size_t k = K - 1 > SHOWN ? K - 1 - SHOWN : 0; k + 1 < K; k++)
        printf("%8.3f", e->state.conv_state[k * d_inner]);
    printf("    |");
    for (size_t t = first; t < prompt; t++)
        printf("%8.3f", e->act.x_raw[t * d_inner]);
    printf("\n");
    return true;
}

static bool short_prompts(const Settings *settings, Error *err) {
    BlockShape shape = chosen_shape(settings);
    Example e;
    section("short-prompts", "No token, one token, fewer than the taps");
    printf("Channel 0 after prompts of a few tokens, d_conv = %zu: what "
           "conv_state holds,\noldest first, and behind the bar the inputs x "
           "of the prompt (at most %d of each).\n\n  tokens\n",
           shape.d_conv, SHOWN);
    if (!example_make(&e, &shape, shape.d_conv + 1, settings->seed, err))
        return false;
    bool ok = true;
    for (size_t prompt = 0; ok && prompt <= e.length; prompt++)
        ok = short_prompt(&e, prompt, err);
    example_free(&e);
    printf("\nThe state holds raw inputs, and zeros where there was no token "
           "yet: what the\nconvolution finds before the first token of any "
           "sequence. A short prompt is no\ncase of its own.\n");
    return ok;
}

// --- The workspace ----------------------------------------------------------

static bool workspace(const Settings *settings, Error *err) {
    BlockShape shape = official_shape(settings->width);
    const ScanBackend *backend = scan_backend("cpu", err);
    section("workspace", "Memory for the intermediate results");
    if (!backend)
        return false;
    printf("Bytes for one sequence, d_model %zu, scan backend `%s`, if so many "
           "tokens go\nthrough the block in one call, and what it remembers "
           "between calls:\n\n  %8s%16s%16s\n",
           shape.d_model, backend->name, "tokens", "workspace", "states");
    for (size_t length = 1; length <= 1 << 20; length *= 32)
        printf("  %8zu%16zu%16zu\n", length,
               block_workspace_bytes(&shape, 1, length, backend),
               state_count(&shape) * sizeof(float));
    return true;
}

// --- The block put together by hand, with parts to take away ----------------

typedef enum { GATE_SILU, GATE_PRODUCT, GATE_NONE } Gate;

// Which parts are there. The real block: {GATE_SILU, true, true}.
typedef struct {
    Gate gate;
    bool D, convolution;
} Parts;

static const Parts all_parts = {GATE_SILU, true, true};

// From x to Delta, B and C: steps 3 and 4.
static void compose_steps(Example *e) {
    const BlockWeights *w = &e->weights;
    const BlockActivations *act = &e->act;
    size_t L = e->length, I = e->shape.d_inner;
    size_t R = e->shape.dt_rank, N = e->shape.d_state;

    // dt, B, C = x_proj(x);  Delta = softplus(dt_proj(dt))
    Matrix W = w->x_proj_weight;
    linear(act->dt, act->x, matrix_rows(W, 0, R), NULL, L);
    linear(act->B, act->x, matrix_rows(W, R, N), NULL, L);
    linear(act->C, act->x, matrix_rows(W, R + N, N), NULL, L);
    linear(act->delta, act->dt, w->dt_proj_weight, w->dt_proj_bias, L);
    for (size_t i = 0; i < L * I; i++)
        act->delta[i] = softplus(act->delta[i]);
}

// From the tokens to x, z, Delta, B and C: steps 0 to 4.
static void compose_selection(Example *e, bool convolution) {
    const BlockWeights *w = &e->weights;
    const BlockActivations *act = &e->act;
    size_t L = e->length, M = e->shape.d_model, I = e->shape.d_inner;
    const float *bias = w->in_proj_bias;

    // x, z = in_proj(RMSNorm(r))
    rmsnorm(act->u, e->r, w->norm_weight, L, M, e->shape.norm_eps);
    Matrix W = w->in_proj_weight;
    linear(act->x_raw, act->u, matrix_rows(W, 0, I), bias, L);
    linear(act->z, act->u, matrix_rows(W, I, I), bias ? bias + I : NULL, L);

    // x = SiLU(conv1d(x))
    if (convolution)
        conv1d(act->x, act->x_raw, w->conv1d_weight, w->conv1d_bias,
               e->state.conv_state, L, I, e->shape.d_conv);
    else
        memcpy(act->x, act->x_raw, L * I * sizeof *act->x);
    silu_in_place(act->x, L * I);

    compose_steps(e);
}

// From there back to the residual stream: steps 5 to 7.
static void compose_scan(Example *e, bool D, Gate gate) {
    const BlockWeights *w = &e->weights;
    const BlockActivations *act = &e->act;
    size_t L = e->length, M = e->shape.d_model, I = e->shape.d_inner;
    Scan scan = {.batch = 1,
                 .length = L,
                 .d_inner = I,
                 .d_state = e->shape.d_state,
                 .u = act->x,
                 .delta = act->delta,
                 .A = w->A,
                 .B = act->B,
                 .C = act->C,
                 .D = D ? w->D : NULL,
                 .z = gate == GATE_SILU ? act->z : NULL,
                 .h = e->state.ssm_state,
                 .y = act->y};
    scan_reference(&scan, NULL, NULL);
    if (gate == GATE_PRODUCT)
        for (size_t i = 0; i < L * I; i++)
            act->y[i] *= act->z[i];

    // r = r + out_proj(y)
    linear(act->out, act->y, w->out_proj_weight, NULL, L);
    for (size_t i = 0; i < L * M; i++)
        e->r[i] += act->out[i];
}

// The whole sequence from its beginning. Returns the size (root mean square) of
// what the block adds to the residual stream.
static double compose(Example *e, Parts parts) {
    begin(e);
    compose_selection(e, parts.convolution);
    compose_scan(e, parts.D, parts.gate);
    return root_mean_square(e->act.out, e->length * e->shape.d_model);
}

// --- Who hears of one channel -----------------------------------------------

// In how many columns two matrices differ.
static size_t changed_columns(const float *a, const float *b, size_t rows,
                              size_t columns) {
    size_t changed = 0;
    for (size_t d = 0; d < columns; d++) {
        bool differs = false;
        for (size_t t = 0; t < rows; t++)
            differs = differs || a[t * columns + d] != b[t * columns + d];
        changed += differs;
    }
    return changed;
}

// Adds 1 to the first column.
static void disturb(float *x, size_t rows, size_t columns) {
    for (size_t t = 0; t < rows; t++)
        x[t * columns] += 1;
}

static void print_changed(const char *name, const float *after,
                          const float *before, size_t rows, size_t columns) {
    printf("  %-44s%4zu of %zu\n", name,
           changed_columns(after, before, rows, columns), columns);
}

static bool across_channels(const Settings *settings, Error *err) {
    BlockShape shape = chosen_shape(settings);
    Example e;
    section("across-channels", "Who hears of one channel");
    printf("Everything is computed twice, the second time with 1 added to "
           "channel 0 of the\ninput, for all tokens. Channels of the result "
           "that differ:\n\n");
    if (!example_make(&e, &shape, settings->length, settings->seed, err))
        return false;
    size_t L = e.length, I = shape.d_inner, M = shape.d_model;

    // The scan, with Delta, B and C held as they are.
    compose(&e, all_parts);
    memcpy(e.spare, e.act.y, L * I * sizeof *e.spare);
    begin(&e);
    disturb(e.act.x, L, I);
    compose_scan(&e, true, GATE_SILU);
    print_changed("the scan alone", e.act.y, e.spare, L, I);

    // What x_proj and dt_proj make of the same x.
    compose(&e, all_parts);
    memcpy(e.spare, e.act.delta, L * I * sizeof *e.spare);
    disturb(e.act.x, L, I);
    compose_steps(&e);
    print_changed("the steps Delta that x_proj and dt_proj make", e.act.delta,
                  e.spare, L, I);

    // The whole block.
    compose(&e, all_parts);
    memcpy(e.spare, e.act.out, L * M * sizeof *e.spare);
    disturb(e.tokens, L, M);
    compose(&e, all_parts);
    print_changed("what the block adds", e.act.out, e.spare, L, M);
    example_free(&e);
    return true;
}

// --- Parts taken away -------------------------------------------------------

// How far the output is from the whole block's, relative to it.
static void print_change(const char *name, Example *e, Parts parts,
                         const float *whole) {
    size_t n = e->length * e->shape.d_model;
    double sum = 0;
    compose(e, parts);
    for (size_t i = 0; i < n; i++)
        sum += pow((double)e->act.out[i] - whole[i], 2);
    double change = sqrt(sum / (double)n) / root_mean_square(whole, n);
    printf("  %-40s%6.0f %%\n", name, 100 * change);
}

static void print_changes(Example *e, const float *whole) {
    const Parts product = {GATE_PRODUCT, true, true};
    const Parts ungated = {GATE_NONE, true, true};
    const Parts no_D = {GATE_SILU, false, true};
    const Parts no_convolution = {GATE_SILU, true, false};
    printf("\nWith one part taken away, the change of what the block adds, "
           "relative to it:\n\n");
    print_change("gate: a bare product y z for y SiLU(z)", e, product, whole);
    print_change("no gate", e, ungated, whole);
    print_change("no D", e, no_D, whole);
    print_change("no convolution", e, no_convolution, whole);
    printf("\nEach part matters to the numbers of this block. That does not "
           "say what it is\ngood for. The next sections do, each with a case "
           "that shows it.\n");
}

static bool taken_away(const Settings *settings, Error *err) {
    BlockShape shape = chosen_shape(settings);
    Example e;
    section("parts", "The block put together by hand, and parts taken away");
    printf("This program's own composition of rmsnorm(), linear(), conv1d(), "
           "softplus(),\nsilu_in_place() and scan_reference(), with all parts "
           "there.\n");
    if (!example_make(&e, &shape, settings->length, settings->seed, err))
        return false;
    size_t n = e.length * shape.d_model;
    begin(&e);
    bool ok = go_on(&e, 0, e.length, err);
    if (ok) {
        memcpy(e.spare, e.act.out, n * sizeof *e.spare);
        compose(&e, all_parts);
        ok = check_below("Largest difference from block_forward()",
                         largest_difference(e.spare, e.act.out, n), 1e-5, err);
    }
    if (ok)
        print_changes(&e, e.spare);
    example_free(&e);
    return ok;
}

// --- The gate ---------------------------------------------------------------

// What the block adds with z near this number for all tokens and channels:
// in_proj gets a bias on its second half.
static double gated_output(Example *e, float z, Gate gate) {
    size_t d_inner = e->shape.d_inner;
    for (size_t i = 0; i < d_inner; i++) {
        e->spare[i] = 0;
        e->spare[d_inner + i] = z;
    }
    e->weights.in_proj_bias = e->spare;
    double size = compose(e, (Parts){gate, true, true});
    e->weights.in_proj_bias = NULL;
    return size;
}

static void print_gates(Example *e) {
    const float around[] = {-20, -5, 0, 5, 20};
    printf("  %6s%12s      |%12s%12s%12s\n", "z", "SiLU(z)", "y SiLU(z)", "y z",
           "y alone");
    for (size_t i = 0; i < sizeof around / sizeof *around; i++) {
        float z = around[i];
        printf("  %6g%12.2g      |%12.2g%12.2g%12.2g\n", z, silu(z),
               gated_output(e, z, GATE_SILU), gated_output(e, z, GATE_PRODUCT),
               gated_output(e, z, GATE_NONE));
    }
}

// The cosine between what the block adds with z near -20 and near 20, gated by
// the bare product.
static double product_cosine(Example *e) {
    size_t n = e->length * e->shape.d_model;
    float *positive = e->spare + 2 * e->shape.d_inner;
    double sum = 0;
    double size = gated_output(e, 20, GATE_PRODUCT);
    memcpy(positive, e->act.out, n * sizeof *positive);
    size *= gated_output(e, -20, GATE_PRODUCT);
    for (size_t i = 0; i < n; i++)
        sum += (double)positive[i] * e->act.out[i];
    return sum / (double)n / size;
}

static bool without_gate(const Settings *settings, Error *err) {
    BlockShape shape = chosen_shape(settings);
    Example e;
    section("without-gate", "Taken away: the gate");
    printf("z is moved to about the number at the left, for all tokens and "
           "channels. Behind\nthe bar, the size (root mean square) of what the "
           "block then adds, by the gate:\n\n");
    if (!example_make(&e, &shape, settings->length, settings->seed, err))
        return false;
    print_gates(&e);
    printf("\nWith SiLU, a token whose z is very negative is silenced: the "
           "residual stream\ngoes on as it was. A bare product (seen in one "
           "implementation) amplifies that\ntoken as much as one whose z is "
           "positive, with the sign turned: the cosine\nbetween the outputs "
           "for z = -20 and 20 is %.1f. Without a gate, z has no say.\n",
           product_cosine(&e));
    value("silenced-by-silu", gated_output(&e, -20, GATE_SILU), 1);
    value("amplified-by-product", gated_output(&e, -20, GATE_PRODUCT), 2);
    example_free(&e);
    return true;
}

// --- D ----------------------------------------------------------------------

// What the block adds with all steps near this Delta, with D or without.
static double output_at(Example *e, double delta, bool D) {
    const float *bias = e->weights.dt_proj_bias;
    for (size_t i = 0; i < e->shape.d_inner; i++)
        e->spare[i] = (float)softplus_inverse(delta);
    e->weights.dt_proj_bias = e->spare;
    double size = compose(e, (Parts){GATE_SILU, D, true});
    e->weights.dt_proj_bias = bias;
    return size;
}

static bool without_D(const Settings *settings, Error *err) {
    BlockShape shape = chosen_shape(settings);
    Example e;
    section("without-D", "Taken away: D");
    printf("A sequence of one token, with an empty state. dt_proj's bias moves "
           "Delta to\nabout the number at the left. The size of what the block "
           "adds:\n\n");
    if (!example_make(&e, &shape, 1, settings->seed, err))
        return false;
    printf("  %10s%12s%12s\n", "Delta", "with D", "without D");
    for (double delta = 0.1; delta > 1e-8; delta /= 100)
        printf("  %10.0e%12.1g%12.1g\n", delta, output_at(&e, delta, true),
               output_at(&e, delta, false));
    printf("\nA small Delta means: keep the state, do not take this token in. "
           "Without D it\nalso means: pass nothing of this token on, because "
           "the state is then the only\nway from x to y. D is a second way: "
           "what is not worth remembering can still be\nused now. (In a block "
           "this new, nearly all of the output takes that way.)\n");
    example_free(&e);
    return true;
}

// --- dt_rank ----------------------------------------------------------------

static double dot(const double *a, const double *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static size_t longest_row(const double *rows, size_t n_rows, size_t columns) {
    size_t longest = 0;
    double most = -1;
    for (size_t i = 0; i < n_rows; i++) {
        const double *row = rows + i * columns;
        if (dot(row, row, columns) > most) {
            most = dot(row, row, columns);
            longest = i;
        }
    }
    return longest;
}

// How many of the rows (n_rows, columns) are independent, by Gram and Schmidt:
// takes the longest row's direction out of all, until only rounding is left.
// The rows are destroyed.
static size_t matrix_rank(double *rows, size_t n_rows, size_t columns) {
    double longest_ever = 0;
    for (size_t rank = 0; rank < n_rows; rank++) {
        size_t pivot = longest_row(rows, n_rows, columns);
        const double *p = rows + pivot * columns;
        double length = dot(p, p, columns);
        longest_ever = larger(longest_ever, length);
        if (length <= 1e-18 * longest_ever)
            return rank;

        // row -= (row . p / p . p) p, the pivot itself at the end.
        for (size_t j = 1; j <= n_rows; j++) {
            double *row = rows + (pivot + j) % n_rows * columns;
            double along = dot(row, p, columns) / length;
            for (size_t k = 0; k < columns; k++)
                row[k] -= along * p[k];
        }
    }
    return n_rows;
}

// The rank of dt_proj.weight dt, all tokens of the sequence together: of Delta
// before its bias and softplus. False where there is no memory.
static bool delta_rank(Example *e, size_t *rank, Error *err) {
    size_t L = e->length, I = e->shape.d_inner, R = e->shape.dt_rank;
    const float *W = e->weights.dt_proj_weight.numbers;
    double *steps = allocate(L * I, sizeof *steps, "the steps", err);
    if (!steps)
        return false;
    begin(e);
    compose_selection(e, true);
    for (size_t t = 0; t < L; t++)
        for (size_t d = 0; d < I; d++)
            for (size_t k = 0; k < R; k++)
                steps[t * I + d] += (double)W[d * R + k] * e->act.dt[t * R + k];
    *rank = matrix_rank(steps, L, I);
    release(steps);
    return true;
}

static void print_rank_costs(size_t width) {
    const size_t ranks[] = {1, auto_dt_rank(width)};
    const char *const names[] = {"one", "auto"};
    size_t rest = 0;
    printf("  %-10s%8s%16s%16s\n", "dt_rank", "", "parameters", "of the block");
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++) {
        BlockShape shape = official_shape(width);
        shape.dt_rank = ranks[i];
        Parameters n = count_parameters(&shape);
        size_t path =
            shape.dt_rank * shape.d_inner + n.dt_proj + n.dt_proj_bias;
        rest = sum_parameters(&n) - path;
        printf("  %-10s%8zu%16zu%14.1f %%\n", names[i], ranks[i], path,
               percent(path, rest + path));
    }
    // In place of the two, with the same bias.
    size_t d_inner = official_shape(width).d_inner;
    size_t matrix = d_inner * d_inner + d_inner;
    printf("  %-10s%8s%16zu%14.1f %%\n", "one matrix", "", matrix,
           percent(matrix, rest + matrix));
}

static bool print_ranks(uint64_t seed, Error *err) {
    enum { D_MODEL = 32, TOKENS = 100 };
    const size_t ranks[] = {1, 2, 8, 64};
    printf("\n%d random tokens through a block with d_inner %d. The rank of "
           "its steps before\nbias and softplus (%d x %d numbers), by Gram and "
           "Schmidt:\n\n  dt_rank    rank of the steps\n",
           TOKENS, 2 * D_MODEL, TOKENS, 2 * D_MODEL);
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++) {
        BlockShape shape = official_shape(D_MODEL);
        shape.dt_rank = ranks[i];
        Example e;
        size_t rank = 0;
        if (!example_make(&e, &shape, TOKENS, seed, err))
            return false;
        bool ok = delta_rank(&e, &rank, err);
        example_free(&e);
        if (!ok)
            return false;
        printf("  %7zu%21zu\n", ranks[i], rank);
    }
    return true;
}

static bool low_rank(const Settings *settings, Error *err) {
    section("dt-rank", "Made small: dt_rank");
    printf("Every channel has its own Delta. A full matrix from x to Delta "
           "would be d_inner\nby d_inner; x_proj and dt_proj are two thin ones "
           "instead, of dt_rank rows and\ncolumns. With d_model %zu, the "
           "parameters on the way from x to Delta:\n\n",
           settings->width);
    print_rank_costs(settings->width);
    if (!print_ranks(settings->seed, err))
        return false;
    printf("\ndt_rank numbers for each token decide the steps of all channels "
           "together. The\nbias, which gives each channel its own time scale, "
           "is not limited by the rank.\n");
    return true;
}

// --- The convolution --------------------------------------------------------

// Scans the tokens as they are, then with the first two exchanged, and prints
// how far the last token's results are apart.
static void print_order(const char *name, Example *e, bool convolution) {
    const BlockShape *s = &e->shape;
    const BlockActivations *act = &e->act;
    size_t last = e->length - 1, I = s->d_inner, N = s->d_state;
    const float *from[] = {act->delta + last * I, act->B + last * N,
                           act->C + last * N, act->y + last * I};
    const size_t count[] = {I, N, N, I};
    float *kept = e->spare;

    compose(e, (Parts){GATE_SILU, true, convolution});
    for (size_t i = 0; i < 4; kept += count[i++])
        memcpy(kept, from[i], count[i] * sizeof *kept);

    for (size_t k = 0; k < s->d_model; k++) {
        float first = e->tokens[k];
        e->tokens[k] = e->tokens[s->d_model + k];
        e->tokens[s->d_model + k] = first;
    }
    compose(e, (Parts){GATE_SILU, true, convolution});
    printf("  %-22s", name);
    kept = e->spare;
    for (size_t i = 0; i < 4; kept += count[i++])
        printf("%12.1g", largest_difference(kept, from[i], count[i]));
    printf("\n");
}

static bool without_convolution(const Settings *settings, Error *err) {
    enum { LENGTH = 3 };
    BlockShape shape = chosen_shape(settings);
    Example e;
    section("without-convolution", "Taken away: the convolution");
    printf("The tokens a b c, then b a c. How far the results for c are apart, "
           "at most:\n\n");
    if (!example_make(&e, &shape, LENGTH, settings->seed, err))
        return false;
    printf("  %-22s%12s%12s%12s%12s\n", "", "Delta", "B", "C", "y");
    print_order("with convolution", &e, true);
    print_order("without", &e, false);
    example_free(&e);
    printf("\nWithout it, x knows its own token only, and so do Delta, B and "
           "C. The output\nstill depends on the order, through the state; but "
           "whether a token is kept or\nignored cannot depend on the token "
           "before it.\n");
    return true;
}

// --- Mistakes seen ----------------------------------------------------------

static void mistake_bias(void) {
    section("mistake-bias", "A mistake seen: dt_proj's bias added twice");
    printf("The bias is chosen so that softplus(bias) is the Delta wanted at "
           "first. A linear\nlayer that adds it, and then the bias once more "
           "by hand, give softplus(2 bias):\n\n");
    printf("  %14s%8s%20s%12s%20s\n", "Delta wanted", "bias",
           "softplus(2 bias)", "Delta^2", "wanted / found");
    for (double exponent = -3; exponent < -0.9; exponent += 0.5) {
        double delta = pow(10, exponent), bias = softplus_inverse(delta);
        double twice = softplus((float)(2 * bias));
        printf("  %14.3g%8.2f%20.2g%12.2g%20.2g\n", delta, bias, twice,
               delta * delta, delta / twice);
    }
    printf("\nFor small Delta the bias is nearly ln Delta, and twice a "
           "logarithm is that of\nthe square. A state with A = -1 forgets in "
           "about 1 / Delta steps: the model\nstarts with a memory so many "
           "times too long, and hardly takes a token in.\nNothing fails.\n");
    value("delta-wanted", 0.001, 3);
    value("delta-with-bias-twice",
          softplus((float)(2 * softplus_inverse(0.001))), 2);
}

static void mistake_floor(void) {
    const size_t widths[] = {8, 64, 100, 768, 1000, 2560};
    section("mistake-floor", "A mistake seen: dt_rank rounded down");
    printf("dt_rank `auto` is d_model / 16, rounded up. Rounded down:\n\n");
    printf("  %8s%12s%14s\n", "d_model", "rounded up", "rounded down");
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        size_t down = widths[i] / 16;
        printf("  %8zu%12zu%14zu%s\n", widths[i], auto_dt_rank(widths[i]), down,
               down == 0 ? "   Delta cannot depend on the token"
                         : (down < auto_dt_rank(widths[i])
                                ? "   not the official shape"
                                : ""));
    }
    printf("\nThe published widths are multiples of 16. There both are the "
           "same, and nobody\nnotices.\n");
}

// --- Why a library multiplies the matrices ----------------------------------

// y = x W^T as the formula says it.
static void three_loops(float *restrict y, const float *x, const float *W,
                        size_t rows, size_t in, size_t out) {
    for (size_t t = 0; t < rows; t++)
        for (size_t o = 0; o < out; o++) {
            float sum = 0;
            for (size_t i = 0; i < in; i++)
                sum += x[t * in + i] * W[o * in + i];
            y[t * out + o] = sum;
        }
}

// The same as the block computes it.
static void by_linear(float *restrict y, const float *x, const float *W,
                      size_t rows, size_t in, size_t out) {
    linear(y, x, matrix_f32(W, out, in), NULL, rows);
}

typedef void Product(float *restrict y, const float *x, const float *W,
                     size_t rows, size_t in, size_t out);

// Multiplications in a nanosecond, in the fastest of a few runs.
static double rate(Product *product, float *y, const float *x, const float *W,
                   size_t rows, size_t in, size_t out) {
    enum { RUNS = 7 };
    double shortest = INFINITY;
    for (int run = 0; run < RUNS; run++) {
        double begun = seconds_now();
        product(y, x, W, rows, in, out);
        shortest = fmin(shortest, seconds_now() - begun);
    }
    return (double)(rows * in * out) / shortest / 1e9;
}

static bool matrix_product(const Settings *settings, Error *err) {
    enum { IN = 256, OUT = 1024, MOST_ROWS = 64 };
    Random random = random_from_seed(settings->seed);
    size_t n = MOST_ROWS * IN + OUT * IN + 2 * MOST_ROWS * OUT;
    float *numbers = allocate(n, sizeof *numbers, "a matrix product", err);
    if (!numbers)
        return false;
    float *room = numbers;
    const float *x = random_weight(&room, MOST_ROWS * IN, 1, &random);
    const float *W = random_weight(&room, OUT * IN, 1, &random);
    float *y = room, *same = y + MOST_ROWS * OUT;

    section_measured("matrix-product", "Three loops and a library");
    printf("Multiplications in a nanosecond, %d numbers in and %d out, the "
           "fastest of\na few runs. The library is %s.\n\n"
           "  %8s%14s%14s\n",
           IN, OUT, matmul_library, "tokens", "three loops", "linear()");
    double loops = 0, library = 0;
    for (size_t rows = 1; rows <= MOST_ROWS; rows *= 8) {
        loops = rate(three_loops, y, x, W, rows, IN, OUT);
        library = rate(by_linear, same, x, W, rows, IN, OUT);
        printf("  %8zu%14.2g%14.2g\n", rows, loops, library);
    }
    printf("\n");
    value("matmul-over-loops", library / loops, 2);
    bool ok =
        check_below("Largest difference",
                    largest_difference(y, same, MOST_ROWS * OUT), 1e-3, err);
    release(numbers);
    return ok;
}

// --- Weights in fewer bits ---------------------------------------------------

static const MatrixType types[] = {MATRIX_F32, MATRIX_BF16, MATRIX_INT8};
enum { N_TYPES = 3 };

static void row_by_hand(void) {
    enum { N = 4 };
    const float row[N] = {1.27f, -0.5f, 0.024f, 0.3f};
    uint16_t halves[N];
    float memory[1 + N], bf16[N], int8[N];
    matrix_write_row(MATRIX_BF16, halves, 1, N, 0, row);
    matrix_columns(bf16, matrix_at(MATRIX_BF16, halves, 1, N), 0, N);
    matrix_write_row(MATRIX_INT8, memory, 1, N, 0, row);
    Matrix W = matrix_at(MATRIX_INT8, memory, 1, N);
    matrix_columns(int8, W, 0, N);

    section("row-by-hand", "A row of weights in 16 bits and in 8");
    printf("  %8s   | %11s%11s   | %6s%9s%11s\n", "float32", "bf16", "error",
           "int8", "is", "error");
    for (size_t i = 0; i < N; i++)
        printf("  %8g   | %11.8g%11.1e   | %6d%9.4g%11.1e\n", row[i], bf16[i],
               bf16[i] - row[i], ((const int8_t *)W.numbers)[i], int8[i],
               int8[i] - row[i]);
    printf("\n");
    value("int8-scale", W.scales[0], 3);
}

// A matrix of this type in memory of its own; the result is to be released.
static void *keep(Matrix *W, MatrixType type, const float *numbers, size_t out,
                  size_t in, Error *err) {
    void *memory = allocate(matrix_bytes(type, out, in), 1, "a matrix", err);
    if (!memory)
        return NULL;
    for (size_t o = 0; o < out; o++)
        matrix_write_row(type, memory, out, in, o, numbers + o * in);
    *W = matrix_at(type, memory, out, in);
    return memory;
}

// Root mean square of a - b, as a part of that of b.
static double relative_error(const float *a, const float *b, size_t n) {
    double squares = 0;
    for (size_t i = 0; i < n; i++)
        squares += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return sqrt(squares / (double)n) / root_mean_square(b, n);
}

static bool errors_of_fewer_bits(const Settings *settings, Error *err) {
    enum { OUT = 256, IN = 768, N = OUT * IN };
    Random random = random_from_seed(settings->seed);
    float *room = allocate(2 * N + IN + 2 * OUT, sizeof *room, "W, x, y", err);
    if (!room)
        return false;
    float *numbers = room, *back = numbers + N, *x = back + N;
    float *exact = x + IN, *y = exact + OUT;
    for (size_t i = 0; i < N; i++)
        numbers[i] = (float)random_normal(&random, 0, 1);
    for (size_t i = 0; i < IN; i++)
        x[i] = (float)random_normal(&random, 0, 1);
    matrix_times(exact, matrix_f32(numbers, OUT, IN), x);

    section("errors-of-fewer-bits", "What fewer bits cost");
    printf("Normally distributed weights, %d numbers in and %d out.\n\n"
           "  %6s%18s%20s%16s\n",
           IN, OUT, "type", "bits for each", "error of weights",
           "error of W x");
    bool ok = true;
    for (size_t i = 0; ok && i < N_TYPES; i++) {
        Matrix W;
        void *memory = keep(&W, types[i], numbers, OUT, IN, err);
        ok = memory != NULL;
        if (!ok)
            break;
        matrix_columns(back, W, 0, IN);
        matrix_times(y, W, x);
        double bits = 8.0 * (double)matrix_bytes(types[i], OUT, IN) / N;
        printf("  %6s%18.3g%18.2g %%%14.2g %%\n", matrix_type_name(types[i]),
               bits, 100 * relative_error(back, numbers, N),
               100 * relative_error(y, exact, OUT));
        release(memory);
    }
    release(room);
    return ok;
}

// Seconds for y = W x, in the fastest of a few runs.
static double shortest_times(float *y, Matrix W, const float *x) {
    enum { RUNS = 7 };
    double shortest = INFINITY;
    for (int run = 0; run < RUNS; run++) {
        double begun = seconds_now();
        linear(y, x, W, NULL, 1);
        shortest = fmin(shortest, seconds_now() - begun);
    }
    return shortest;
}

static bool rates_of_fewer_bits(const Settings *settings, Error *err) {
    enum { OUT = 40000, IN = 1024 };  // larger than most caches even as int8
    Random random = random_from_seed(settings->seed);
    float *room =
        allocate((OUT + 1) * IN + OUT, sizeof *room, "a large matrix", err);
    if (!room)
        return false;
    float *numbers = room, *x = numbers + OUT * IN, *y = x + IN;
    for (size_t i = 0; i < (OUT + 1) * IN; i++)
        numbers[i] = (float)random_uniform(&random, -1, 1);

    section_measured("rates-of-fewer-bits", "One token, and all weights");
    printf("%d numbers in and %d out, the fastest of a few runs.\n\n"
           "  %6s%12s%16s%14s%18s\n",
           IN, OUT, "type", "megabytes", "milliseconds", "GB a second",
           "against float32");
    double seconds[N_TYPES] = {0};
    bool ok = true;
    for (size_t i = 0; ok && i < N_TYPES; i++) {
        Matrix W;
        void *memory = keep(&W, types[i], numbers, OUT, IN, err);
        ok = memory != NULL;
        if (!ok)
            break;
        seconds[i] = shortest_times(y, W, x);
        double bytes = (double)matrix_bytes(types[i], OUT, IN);
        printf("  %6s%12.0f%16.2g%14.2g%18.2g\n", matrix_type_name(types[i]),
               bytes / 1e6, 1e3 * seconds[i], bytes / seconds[i] / 1e9,
               seconds[0] / seconds[i]);
        release(memory);
    }
    printf("\n");
    value("bf16-over-f32", seconds[0] / seconds[1], 2);
    value("int8-over-f32", seconds[0] / seconds[2], 2);
    release(room);
    return ok;
}

// --- The command line -------------------------------------------------------

static int read_settings(Settings *settings, int argc, char **argv) {
    const Option options[] = {
        {"d-model", 0, OPTION_COUNT, &settings->d_model, "D",
         "width of the block (8)", 1, 256},
        {"expand", 0, OPTION_COUNT, &settings->expand, "E",
         "d_inner is E d_model (2)", 1, 4},
        {"d-state", 0, OPTION_COUNT, &settings->d_state, "N",
         "states of each channel (4)", 1, 64},
        {"d-conv", 0, OPTION_COUNT, &settings->d_conv, "K",
         "taps of the convolution (4)", 1, 16},
        {"dt-rank", 0, OPTION_COUNT, &settings->dt_rank, "R",
         "rank of Delta, 0 for d_model / 16 (0)", 0, 256},
        {"length", 0, OPTION_COUNT, &settings->length, "L",
         "tokens of a sequence (12)", 1, 64},
        {"width", 0, OPTION_COUNT, &settings->width, "D",
         "d_model of the counts of parameters (768)", 1, 65536},
        {"seed", 0, OPTION_SEED, &settings->seed, "S",
         "what the random numbers start from (1)", 0, 0},
        {"tsv", 0, OPTION_TEXT, &settings->tsv, "DIR",
         "write the table for the figure there", 0, 0},
    };
    const CommandLine line = {.program = "chapter5",
                              .summary = "The Mamba block, step by step.",
                              .options = options,
                              .n_options = sizeof options / sizeof *options};
    return options_parse(&line, argc, argv, NULL);
}

int main(int argc, char **argv) {
    Settings settings = {.d_model = 8,
                         .expand = 2,
                         .d_state = 4,
                         .d_conv = 4,
                         .length = 12,
                         .width = 768,
                         .seed = 1};
    int status = read_settings(&settings, argc, argv);
    if (status != OPTIONS_CONTINUE)
        return status;

    Error err;
    linear_by_hand();
    bool ok = across_channels(&settings, &err) && one_block(&settings, &err) &&
              where_parameters_go(&settings, &err) &&
              against_attention(&settings, &err);
    if (ok)
        against_attention_core(&settings);
    ok = ok && cuts(&settings, &err) && short_prompts(&settings, &err) &&
         workspace(&settings, &err) && taken_away(&settings, &err) &&
         without_gate(&settings, &err) && without_D(&settings, &err) &&
         low_rank(&settings, &err) && without_convolution(&settings, &err);
    if (ok) {
        mistake_bias();
        mistake_floor();
        row_by_hand();
        ok = matrix_product(&settings, &err) &&
             errors_of_fewer_bits(&settings, &err) &&
             rates_of_fewer_bits(&settings, &err);
    }
    return report_end("chapter5", ok, &err);
}
