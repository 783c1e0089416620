#include "toy.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "config_json.h"
#include "initialization.h"
#include "scratch.h"

// --- Models ------------------------------------------------------------------

Config toy_config(void) {
    Config config = config_default();
    config.d_model = 12;
    config.n_layer = 2;
    config.vocab_size = 11;
    config.d_state = 5;
    config.d_conv = 4;
    config.expand = 3;
    config.dt_rank = 2;
    config.bias = true;
    config.tie_embeddings = false;
    return config;
}

Config random_config(Random *random) {
    Config config = config_default();
    config.d_model = random_count(random, 1, 24);
    config.n_layer = random_count(random, 1, 3);
    config.vocab_size = random_count(random, 1, 40);
    config.d_state = random_count(random, 1, 17);
    config.d_conv = random_count(random, 1, 6);
    config.expand = random_count(random, 1, 3);
    config.dt_rank = random_count(random, 0, 5);
    config.conv_bias = random_count(random, 0, 1);
    config.bias = random_count(random, 0, 1);
    config.tie_embeddings = random_count(random, 0, 1);
    config.pad_vocab_size_multiple = random_count(random, 1, 9);
    return config;
}

float *toy_tensor(Model *model, const char *name, size_t *count) {
    for (size_t i = 0; i < model->n_parameters; i++)
        if (strcmp(model->parameters[i].name, name) == 0) {
            *count = model->parameters[i].count;
            return model->storage + (model->numbers[i] - model->storage);
        }
    cr_assert_fail("wanted the tensor %s, found none", name);
    return NULL;
}

// The range of each role's made-up numbers; A_log keeps its own, shifted.
static void draw(const Parameter *parameter, float *w, Random *random) {
    double low = -0.5, high = 0.5;
    switch (parameter->role) {
    case PARAMETER_NORM:
    case PARAMETER_NORM_F:
        low = 0.5, high = 1.5;
        break;
    case PARAMETER_D:
        low = -1, high = 1;
        break;
    case PARAMETER_DT_PROJ_BIAS:
        low = -3, high = 1;
        break;
    case PARAMETER_EMBEDDING:  // for logits of about 1
    case PARAMETER_LM_HEAD:
    case PARAMETER_IN_PROJ_WEIGHT:
    case PARAMETER_X_PROJ_WEIGHT:
        high = 2 / sqrt((double)parameter->shape[1]);
        low = -high;
        break;
    default:
        break;
    }
    bool shifted = parameter->role == PARAMETER_A_LOG;
    for (size_t i = 0; i < parameter->count; i++)
        w[i] = (float)random_uniform(random, low, high) + (shifted ? w[i] : 0);
}

void toy_model(Model *model, const Config *config, uint64_t seed) {
    Error err;
    if (!model_initialize(model, config, seed, &err))
        cr_assert_fail("%s", err.text);
    Random random = random_from_seed(seed + 1);
    for (size_t i = 0; i < model->n_parameters; i++)
        draw(&model->parameters[i],
             model->storage + (model->numbers[i] - model->storage), &random);
    model_bind(model);
}

Tensor *toy_tensors(const Model *model) {
    Tensor *tensors = calloc(model->n_parameters, sizeof *tensors);
    cr_assert(tensors);
    for (size_t i = 0; i < model->n_parameters; i++) {
        const Parameter *parameter = &model->parameters[i];
        tensors[i].name = parameter->name;
        tensors[i].type = TENSOR_F32;
        tensors[i].rank = parameter->rank;
        tensors[i].count = parameter->count;
        tensors[i].data = model->numbers[i];
        for (size_t k = 0; k < parameter->rank; k++)
            tensors[i].shape[k] = parameter->shape[k];
    }
    return tensors;
}

const char *toy_checkpoint(const char *name, const Config *config,
                           const Tensor *tensors, size_t count) {
    Error err;
    const char *path = scratch(name);
    Label json = label("%s/config.json", path);
    Label weights_file = label("%s/model.safetensors", path);
    check_ok(directory_make(path, &err), &err);
    check_ok(config_write(config, json.text, &err), &err);
    check_ok(
        safetensors_write(weights_file.text, tensors, count, NULL, 0, &err),
        &err);
    return path;
}

const char kjv_directory[] = "chapters/06-full-model/kjv-mamba";

int32_t *random_tokens(Random *random, const Config *config, size_t count) {
    int32_t *tokens = malloc(count * sizeof *tokens);
    cr_assert(tokens || count == 0);
    for (size_t i = 0; i < count; i++)
        tokens[i] = (int32_t)random_count(random, 0, config->vocab_size - 1);
    return tokens;
}

// --- Sessions ----------------------------------------------------------------

const ScanBackend *toy_backend(const char *name) {
    Error err;
    const ScanBackend *backend = scan_backend(name, &err);
    if (!backend)
        cr_assert_fail("%s", err.text);
    return backend;
}

void toy_session(Session *session, const Model *model, size_t batch,
                 size_t chunk) {
    Error err;
    if (!session_new(session, model, batch, chunk, toy_backend("cpu"), &err))
        cr_assert_fail("%s", err.text);
}

void feed(Session *session, const int32_t *tokens, size_t length, float *logits,
          size_t n_logits) {
    Error err;
    if (!session_feed(session, tokens, length, logits, n_logits, &err))
        cr_assert_fail("%s", err.text);
}

void feed_alone(const Model *model, const int32_t *tokens, size_t length,
                float *logits, float *state) {
    Session session;
    toy_session(&session, model, 1, length ? length : 1);
    feed(&session, tokens, length, logits, length);
    if (state)
        memcpy(state, session.state, session.state_count * sizeof *state);
    session_free(&session);
}

// --- The truth ---------------------------------------------------------------

// The numbers of backbone.layers.LAYER.NAME, or NULL.
static const float *weights(const Model *model, size_t layer,
                            const char *name) {
    Label full = label("backbone.layers.%zu.%s", layer, name);
    for (size_t i = 0; i < model->n_parameters; i++)
        if (strcmp(model->parameters[i].name, full.text) == 0)
            return model->numbers[i];
    return NULL;
}

static const float *outer_weights(const Model *model, const char *name) {
    for (size_t i = 0; i < model->n_parameters; i++)
        if (strcmp(model->parameters[i].name, name) == 0)
            return model->numbers[i];
    return NULL;
}

// Row o of W (out, in) times x, and the bias.
static double affine(const float *W, const float *bias, size_t o,
                     const double *x, size_t in) {
    double sum = bias ? bias[o] : 0;
    for (size_t i = 0; i < in; i++)
        sum += W[o * in + i] * x[i];
    return sum;
}

static double swish(double x) {
    return x / (1 + exp(-x));
}

static void normalise(double *u, const double *r, const float *weight,
                      size_t d_model, double eps) {
    double squares = 0;
    for (size_t i = 0; i < d_model; i++)
        squares += r[i] * r[i];
    for (size_t i = 0; i < d_model; i++)
        u[i] = weight[i] * r[i] / sqrt(squares / (double)d_model + eps);
}

// A layer's intermediate results, each over the whole sequence.
typedef struct {
    double *x_raw;  // (L, d_inner)
    double *x;      // (L, d_inner)
    double *z;      // (L, d_inner)
    double *dbc;    // (L, R + 2 N): dt, B, C
    double *y;      // (L, d_inner)
} Middle;

static void middle_new(Middle *middle, const Config *c, size_t L) {
    size_t inner = L * config_d_inner(c);
    middle->x_raw = new_doubles(inner);
    middle->x = new_doubles(inner);
    middle->z = new_doubles(inner);
    middle->dbc = new_doubles(L * (config_dt_rank(c) + 2 * c->d_state));
    middle->y = new_doubles(inner);
}

static void middle_free(Middle *middle) {
    free(middle->x_raw);
    free(middle->x);
    free(middle->z);
    free(middle->dbc);
    free(middle->y);
}

// Steps 0 and 1: u = RMSNorm(r); x, z = in_proj(u).
static void find_x_and_z(const Model *model, size_t layer, const double *r,
                         size_t L, Middle *middle) {
    const Config *c = &model->config;
    size_t d_inner = config_d_inner(c);
    const float *norm = weights(model, layer, "norm.weight");
    const float *W = weights(model, layer, "mixer.in_proj.weight");
    const float *bias = weights(model, layer, "mixer.in_proj.bias");
    double *u = new_doubles(c->d_model);
    for (size_t t = 0; t < L; t++) {
        normalise(u, r + t * c->d_model, norm, c->d_model, c->norm_eps);
        for (size_t d = 0; d < d_inner; d++) {
            size_t i = t * d_inner + d;
            middle->x_raw[i] = affine(W, bias, d, u, c->d_model);
            middle->z[i] = affine(W, bias, d_inner + d, u, c->d_model);
        }
    }
    free(u);
}

// Step 2: x_t = SiLU(bias + sum_k weight_k x_{t-(K-1)+k}), tap K-1 for now.
static void convolve(const Model *model, size_t layer, size_t L,
                     Middle *middle) {
    size_t d_inner = config_d_inner(&model->config), K = model->config.d_conv;
    const float *W = weights(model, layer, "mixer.conv1d.weight");
    const float *bias = weights(model, layer, "mixer.conv1d.bias");
    for (size_t t = 0; t < L; t++)
        for (size_t d = 0; d < d_inner; d++) {
            double sum = bias ? bias[d] : 0;
            for (size_t back = 0; back < K && back <= t; back++)
                sum += W[d * K + K - 1 - back] *
                       middle->x_raw[(t - back) * d_inner + d];
            middle->x[t * d_inner + d] = swish(sum);
        }
}

// Steps 3 to 6 for channel d: delta, the recurrence, D and the gate.
static void scan_channel(const Model *model, size_t layer, size_t d, size_t L,
                         Middle *middle, double *h) {
    const Config *c = &model->config;
    size_t d_inner = config_d_inner(c), N = c->d_state, R = config_dt_rank(c);
    const float *dt_weight = weights(model, layer, "mixer.dt_proj.weight");
    const float *dt_bias = weights(model, layer, "mixer.dt_proj.bias");
    const float *A_log = weights(model, layer, "mixer.A_log") + d * N;
    const float *D = weights(model, layer, "mixer.D");
    for (size_t t = 0; t < L; t++) {
        const double *dt = middle->dbc + t * (R + 2 * N);
        const double *B = dt + R, *C = B + N;
        double x = middle->x[t * d_inner + d];
        double delta = log1p(exp(affine(dt_weight, dt_bias, d, dt, R)));
        double y = D[d] * x;
        for (size_t n = 0; n < N; n++) {
            h[n] = exp(-delta * exp(A_log[n])) * h[n] + delta * B[n] * x;
            y += C[n] * h[n];
        }
        middle->y[t * d_inner + d] = y * swish(middle->z[t * d_inner + d]);
    }
}

// Steps 3 to 7.
static void scan_and_add(const Model *model, size_t layer, double *r, size_t L,
                         Middle *middle, double *ssm_state) {
    const Config *c = &model->config;
    size_t d_inner = config_d_inner(c), N = c->d_state;
    size_t width = config_dt_rank(c) + 2 * N;
    const float *x_proj = weights(model, layer, "mixer.x_proj.weight");
    const float *out = weights(model, layer, "mixer.out_proj.weight");
    const float *bias = weights(model, layer, "mixer.out_proj.bias");
    for (size_t t = 0; t < L; t++)
        for (size_t i = 0; i < width; i++)
            middle->dbc[t * width + i] =
                affine(x_proj, NULL, i, middle->x + t * d_inner, d_inner);
    for (size_t d = 0; d < d_inner; d++)
        scan_channel(model, layer, d, L, middle, ssm_state + d * N);
    for (size_t t = 0; t < L; t++)
        for (size_t i = 0; i < c->d_model; i++)
            r[t * c->d_model + i] +=
                affine(out, bias, i, middle->y + t * d_inner, d_inner);
}

// The last K-1 raw inputs, oldest first; 0 before the beginning.
static void keep_inputs(const Config *c, const Middle *middle, size_t L,
                        double *conv_state) {
    size_t d_inner = config_d_inner(c), K = c->d_conv;
    for (size_t j = 0; j + 1 < K; j++)
        for (size_t d = 0; d < d_inner; d++) {
            size_t back = K - 1 - j;
            conv_state[j * d_inner + d] =
                back <= L ? middle->x_raw[(L - back) * d_inner + d] : 0;
        }
}

static void find_logits(const Model *model, const double *r, size_t L,
                        double *logits) {
    const Config *c = &model->config;
    size_t V = config_padded_vocab_size(c);
    const float *head =
        outer_weights(model, c->tie_embeddings ? "backbone.embeddings.weight"
                                               : "lm_head.weight");
    const float *norm_f = outer_weights(model, "backbone.norm_f.weight");
    double *u = new_doubles(c->d_model);
    for (size_t t = 0; t < L; t++) {
        normalise(u, r + t * c->d_model, norm_f, c->d_model, c->norm_eps);
        for (size_t v = 0; v < V; v++)
            logits[t * V + v] = affine(head, NULL, v, u, c->d_model);
    }
    free(u);
}

void truth_find(Truth *truth, const Model *model, const int32_t *tokens,
                size_t length) {
    const Config *c = &model->config;
    size_t conv = (c->d_conv - 1) * config_d_inner(c);
    size_t ssm = config_d_inner(c) * c->d_state;
    truth->logits = new_doubles(length * config_padded_vocab_size(c));
    truth->conv_state = new_doubles(c->n_layer * conv);
    truth->ssm_state = new_doubles(c->n_layer * ssm);

    double *r = new_doubles(length * c->d_model);
    const float *embedding = outer_weights(model, "backbone.embeddings.weight");
    for (size_t i = 0; i < length * c->d_model; i++)
        r[i] = embedding[(size_t)tokens[i / c->d_model] * c->d_model +
                         i % c->d_model];
    for (size_t layer = 0; layer < c->n_layer; layer++) {
        Middle middle;
        middle_new(&middle, c, length);
        find_x_and_z(model, layer, r, length, &middle);
        convolve(model, layer, length, &middle);
        keep_inputs(c, &middle, length, truth->conv_state + layer * conv);
        scan_and_add(model, layer, r, length, &middle,
                     truth->ssm_state + layer * ssm);
        middle_free(&middle);
    }
    find_logits(model, r, length, truth->logits);
    free(r);
}

void truth_free(Truth *truth) {
    free(truth->logits);
    free(truth->conv_state);
    free(truth->ssm_state);
}
