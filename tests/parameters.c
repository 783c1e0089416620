// Which tensors a model has: official names, shapes, and how many numbers.
#include "parameters.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "failing_memory.h"
#include "scratch.h"
#include "toy.h"

TestSuite(parameters, .init = test_begin, .fini = nothing_leaks);

static Config sized(size_t n_layer, size_t d_model, size_t vocab_size) {
    Config config = config_default();
    config.n_layer = n_layer;
    config.d_model = d_model;
    config.vocab_size = vocab_size;
    return config;
}

// The list in memory of just its size.
static Parameter *list_of(const Config *config, size_t *count) {
    *count = parameter_tensors(config);
    Parameter *list = malloc(*count * sizeof *list);
    cr_assert(list);
    parameter_list(config, list);
    return list;
}

// The tensors of mamba-130m as its file has them.
static const struct {
    const char *name;
    ParameterRole role;
    size_t rank, shape[3];
} of_130m[] = {
    {"norm.weight", PARAMETER_NORM, 1, {768}},
    {"mixer.in_proj.weight", PARAMETER_IN_PROJ_WEIGHT, 2, {3072, 768}},
    {"mixer.conv1d.weight", PARAMETER_CONV1D_WEIGHT, 3, {1536, 1, 4}},
    {"mixer.conv1d.bias", PARAMETER_CONV1D_BIAS, 1, {1536}},
    {"mixer.x_proj.weight", PARAMETER_X_PROJ_WEIGHT, 2, {80, 1536}},
    {"mixer.dt_proj.weight", PARAMETER_DT_PROJ_WEIGHT, 2, {1536, 48}},
    {"mixer.dt_proj.bias", PARAMETER_DT_PROJ_BIAS, 1, {1536}},
    {"mixer.A_log", PARAMETER_A_LOG, 2, {1536, 16}},
    {"mixer.D", PARAMETER_D, 1, {1536}},
    {"mixer.out_proj.weight", PARAMETER_OUT_PROJ_WEIGHT, 2, {768, 1536}}};
enum { IN_A_LAYER = sizeof of_130m / sizeof *of_130m };

static void check_parameter(const Parameter *found, const char *name,
                            ParameterRole role, size_t rank,
                            const size_t *shape) {
    cr_assert_str_eq(found->name, name);
    cr_assert_eq(found->role, role);
    cr_assert_eq(found->rank, rank, "%s", name);
    size_t count = 1;
    for (size_t i = 0; i < rank; i++) {
        cr_assert_eq(found->shape[i], shape[i], "%s", name);
        count *= shape[i];
    }
    cr_assert_eq(found->count, count, "%s", name);
}

Test(parameters, of_mamba_130m_are_the_official_ones) {
    Config config = sized(24, 768, 50277);
    size_t count;
    Parameter *list = list_of(&config, &count);
    cr_assert_eq(count, 1 + 24 * IN_A_LAYER + 1);
    const size_t table[] = {50280, 768};
    check_parameter(&list[0], "backbone.embeddings.weight", PARAMETER_EMBEDDING,
                    2, table);
    for (size_t layer = 0; layer < 24; layer++)
        for (size_t i = 0; i < IN_A_LAYER; i++) {
            const Parameter *found = &list[1 + layer * IN_A_LAYER + i];
            Label name =
                label("backbone.layers.%zu.%s", layer, of_130m[i].name);
            check_parameter(found, name.text, of_130m[i].role, of_130m[i].rank,
                            of_130m[i].shape);
            cr_assert_eq(found->layer, layer);
        }
    check_parameter(&list[count - 1], "backbone.norm_f.weight",
                    PARAMETER_NORM_F, 1, table + 1);
    free(list);
}

Test(parameters, are_so_many) {
    Config config = sized(24, 768, 50277);
    cr_assert_eq(parameter_total(&config), 129135360);
    config.tie_embeddings = false;
    cr_assert_eq(parameter_total(&config), 129135360 + 50280 * 768);

    config = sized(4, 96, 256);
    cr_assert_eq(parameter_total(&config), 297696);
    // Each layer by hand: 2*192*96 + 192*4 + 192 + (6+32)*192 + 192*6 + 192 +
    // 192*16 + 192 + 96*192 + 96 = 68256.
    cr_assert_eq(parameter_total(&config), 256 * 96 + 4 * 68256 + 96);
}

// The same numbers written out, for any configuration.
static size_t total(const Config *c) {
    size_t V = config_padded_vocab_size(c), d_inner = c->expand * c->d_model;
    size_t R = config_dt_rank(c), N = c->d_state;
    size_t in_proj = 2 * d_inner * c->d_model + (c->bias ? 2 * d_inner : 0);
    size_t conv1d = d_inner * c->d_conv + (c->conv_bias ? d_inner : 0);
    size_t x_proj = (R + 2 * N) * d_inner, dt_proj = d_inner * R + d_inner;
    size_t out_proj = c->d_model * d_inner + (c->bias ? c->d_model : 0);
    size_t layer = c->d_model + in_proj + conv1d + x_proj + dt_proj +
                   d_inner * N + d_inner + out_proj;
    size_t heads = c->tie_embeddings ? 1 : 2;
    return heads * V * c->d_model + c->n_layer * layer + c->d_model;
}

static void check_list(const Config *config) {
    size_t count, sum = 0;
    Parameter *list = list_of(config, &count);
    for (size_t i = 0; i < count; i++) {
        sum += list[i].count;
        for (size_t j = 0; j < i; j++)
            cr_assert(strcmp(list[i].name, list[j].name) != 0, "%s is twice",
                      list[i].name);
    }
    cr_assert_eq(sum, parameter_total(config));
    cr_assert_eq(sum, total(config));
    cr_assert_eq(parameter_bytes(config, MATRIX_F32), 4 * sum);
    free(list);
}

// The small model: by hand, 279552 numbers in matrices of 3096 rows, and 18144
// others.
Test(parameters, bytes_of_each_type) {
    Config config = config_default();
    config.d_model = 96;
    config.n_layer = 4;
    config.vocab_size = 256;
    cr_assert_eq(parameter_bytes(&config, MATRIX_BF16), 2 * 279552 + 4 * 18144);
    cr_assert_eq(parameter_bytes(&config, MATRIX_INT8),
                 279552 + 4 * 3096 + 4 * 18144);
}

Test(parameters, list_and_total_agree) {
    Random random = random_from_seed(2);
    for (int i = 0; i < 300; i++) {
        Config config = random_config(&random);
        check_list(&config);
    }
}

// The parameter of this role, or NULL.
static const Parameter *with_role(const Parameter *list, size_t count,
                                  ParameterRole role) {
    for (size_t i = 0; i < count; i++)
        if (list[i].role == role)
            return &list[i];
    return NULL;
}

// What a switch of the configuration brings: there with it, not without.
static void check_switch(bool on, const Config *config, ParameterRole role,
                         const char *name, size_t rank, const size_t *shape) {
    size_t count;
    Parameter *list = list_of(config, &count);
    const Parameter *found = with_role(list, count, role);
    cr_assert_eq(found != NULL, on, "%s", name);
    if (found)
        check_parameter(found, name, role, rank, shape);
    free(list);
}

Test(parameters, depend_on_the_switches) {
    for (int on = 0; on < 2; on++) {
        Config config = toy_config();
        config.conv_bias = config.bias = on;
        config.tie_embeddings = !on;
        check_switch(on, &config, PARAMETER_CONV1D_BIAS,
                     "backbone.layers.0.mixer.conv1d.bias", 1, (size_t[]){36});
        check_switch(on, &config, PARAMETER_IN_PROJ_BIAS,
                     "backbone.layers.0.mixer.in_proj.bias", 1, (size_t[]){72});
        check_switch(on, &config, PARAMETER_OUT_PROJ_BIAS,
                     "backbone.layers.0.mixer.out_proj.bias", 1,
                     (size_t[]){12});
        check_switch(on, &config, PARAMETER_LM_HEAD, "lm_head.weight", 2,
                     (size_t[]){16, 12});
    }
}

Test(parameters, the_longest_name_has_room) {
    Config config = toy_config();
    config.n_layer = 1 << 12;
    size_t count;
    Parameter *list = list_of(&config, &count);
    const Parameter *last = &list[count - 3];
    cr_assert_str_eq(last->name, "backbone.layers.4095.mixer.out_proj.bias");
    free(list);
}
