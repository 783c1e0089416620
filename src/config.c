#include "config.h"

Config config_default(void) {
    return (Config){.d_model = 512,
                    .n_layer = 6,
                    .vocab_size = 10000,
                    .d_state = 16,
                    .d_conv = 4,
                    .expand = 2,
                    .dt_rank = 0,
                    .dt_min = 1e-3,
                    .dt_max = 0.1,
                    .dt_init = DT_INIT_RANDOM,
                    .dt_scale = 1,
                    .dt_init_floor = 1e-4,
                    .conv_bias = true,
                    .bias = false,
                    .rms_norm = true,
                    .norm_eps = 1e-5,
                    .pad_vocab_size_multiple = 8,
                    .tie_embeddings = true,
                    .eos_token_id = 0};
}

static bool check_size(const char *file, const char *key, size_t size,
                       size_t least, size_t most, Error *err) {
    if (size < least || size > most)
        return fail(err, "%s: %s: wanted %zu to %zu, found %zu", file, key,
                    least, most, size);
    return true;
}

// Written so that NaN fails.
static bool check_number(const char *file, const char *key, double number,
                         double above, double most, Error *err) {
    if (!(number > above && number <= most))
        return fail(err, "%s: %s: wanted above %g up to %g, found %g", file,
                    key, above, most, number);
    return true;
}

bool config_check(const Config *config, const char *name, Error *err) {
    // The limits keep every product of sizes far below 2^63.
    const Config *c = config;
    if (!check_size(name, "d_model", c->d_model, 1, 1 << 20, err) ||
        !check_size(name, "n_layer", c->n_layer, 1, 1 << 12, err) ||
        !check_size(name, "vocab_size", c->vocab_size, 1, 1 << 28, err) ||
        !check_size(name, "d_state", c->d_state, 1, 1 << 12, err) ||
        !check_size(name, "d_conv", c->d_conv, 1, 1 << 10, err) ||
        !check_size(name, "expand", c->expand, 1, 1 << 6, err) ||
        !check_size(name, "dt_rank", c->dt_rank, 0, 1 << 20, err) ||
        !check_size(name, "pad_vocab_size_multiple", c->pad_vocab_size_multiple,
                    1, 1 << 28, err) ||
        !check_number(name, "dt_max", c->dt_max, 0, 1e6, err) ||
        !check_number(name, "dt_min", c->dt_min, 0, c->dt_max, err) ||
        !check_number(name, "dt_init_floor", c->dt_init_floor, 0, 1e6, err) ||
        !check_number(name, "dt_scale", c->dt_scale, 0, 1e6, err) ||
        !check_number(name, "norm_eps", c->norm_eps, 0, 1, err))
        return false;
    if (!c->rms_norm)
        return fail(err, "%s: rms_norm: wanted true, found false (LayerNorm)",
                    name);
    return true;
}

size_t config_d_inner(const Config *config) {
    return config->expand * config->d_model;
}

// "auto" is ceil(d_model / 16).
size_t config_dt_rank(const Config *config) {
    return config->dt_rank ? config->dt_rank : (config->d_model + 15) / 16;
}

size_t config_padded_vocab_size(const Config *config) {
    size_t multiple = config->pad_vocab_size_multiple;
    return (config->vocab_size + multiple - 1) / multiple * multiple;
}

BlockShape config_block_shape(const Config *config) {
    return (BlockShape){.d_model = config->d_model,
                        .d_inner = config_d_inner(config),
                        .d_state = config->d_state,
                        .d_conv = config->d_conv,
                        .dt_rank = config_dt_rank(config),
                        .norm_eps = (float)config->norm_eps};
}
