#include <stdio.h>
#include <string.h>

#include "checkpoint.h"
#include "command.h"
#include "initialization.h"

typedef struct {
    const char *out, *dt_rank, *dt_init;
    bool no_conv_bias, untied;
    uint64_t seed;
    Config config;
} InitOptions;

// The options whose text the option table cannot check.
static bool finish(InitOptions *chosen, Error *err) {
    Config *config = &chosen->config;
    config->conv_bias = !chosen->no_conv_bias;
    config->tie_embeddings = !chosen->untied;
    if (!chosen->out)
        return fail(err, "--out: wanted a directory, found none");
    if (strcmp(chosen->dt_init, "constant") == 0)
        config->dt_init = DT_INIT_CONSTANT;
    else if (strcmp(chosen->dt_init, "random") != 0)
        return fail(err, "--dt-init: wanted random or constant, found '%s'",
                    chosen->dt_init);
    int end = 0;
    if (strcmp(chosen->dt_rank, "auto") != 0 &&
        (strspn(chosen->dt_rank, "0123456789") != strlen(chosen->dt_rank) ||
         sscanf(chosen->dt_rank, "%7zu%n", &config->dt_rank, &end) != 1 ||
         chosen->dt_rank[end] || config->dt_rank == 0))
        return fail(err,
                    "--dt-rank: wanted auto or a whole number from 1 to "
                    "1048576, found '%s'",
                    chosen->dt_rank);
    return config_check(config, "configuration", err);
}

static int parse(InitOptions *chosen, int argc, char **argv) {
    Config *config = &chosen->config;
    const Option options[] = {
        {"out", 'o', OPTION_TEXT, &chosen->out, "DIR",
         "the directory to write, which holds no model yet", 0, 0},
        {"d-model", 0, OPTION_COUNT, &config->d_model, "N",
         "width of the residual stream (default 512)", 1, 1 << 20},
        {"n-layer", 0, OPTION_COUNT, &config->n_layer, "N",
         "number of blocks (default 6)", 1, 1 << 12},
        {"vocab-size", 0, OPTION_COUNT, &config->vocab_size, "N",
         "token ids (default 10000)", 1, 1 << 28},
        {"d-state", 0, OPTION_COUNT, &config->d_state, "N",
         "states of a channel (default 16)", 1, 1 << 12},
        {"d-conv", 0, OPTION_COUNT, &config->d_conv, "N",
         "taps of the convolution (default 4)", 1, 1 << 10},
        {"expand", 0, OPTION_COUNT, &config->expand, "N",
         "d_inner / d_model (default 2)", 1, 1 << 6},
        {"dt-rank", 0, OPTION_TEXT, &chosen->dt_rank, "N",
         "rank of the projection of dt (default auto)", 0, 0},
        {"dt-min", 0, OPTION_NUMBER, &config->dt_min, "DT",
         "shortest first step (default 0.001)", 1e-30, 1e6},
        {"dt-max", 0, OPTION_NUMBER, &config->dt_max, "DT",
         "longest first step (default 0.1)", 1e-30, 1e6},
        {"dt-init", 0, OPTION_TEXT, &chosen->dt_init, "HOW",
         "random (default) or constant dt_proj.weight", 0, 0},
        {"dt-scale", 0, OPTION_NUMBER, &config->dt_scale, "X",
         "scale of dt_proj.weight (default 1)", 1e-30, 1e6},
        {"dt-init-floor", 0, OPTION_NUMBER, &config->dt_init_floor, "DT",
         "no first step is shorter (default 0.0001)", 1e-30, 1e6},
        {"no-conv-bias", 0, OPTION_FLAG, &chosen->no_conv_bias, NULL,
         "conv1d without bias", 0, 0},
        {"bias", 0, OPTION_FLAG, &config->bias, NULL,
         "in_proj and out_proj with bias", 0, 0},
        {"untied", 0, OPTION_FLAG, &chosen->untied, NULL,
         "lm_head with weights of its own", 0, 0},
        {"pad-vocab-size-multiple", 0, OPTION_COUNT,
         &config->pad_vocab_size_multiple, "N",
         "pad the vocabulary to a multiple (default 8)", 1, 1 << 28},
        {"seed", 's', OPTION_SEED, &chosen->seed, "S",
         "the same seed gives the same weights (default 0)", 0, 0},
    };
    const CommandLine line = {.program = "minimamba init",
                              .summary = "Writes a freshly initialised model.",
                              .options = options,
                              .n_options = sizeof options / sizeof *options};
    int status = options_parse(&line, argc, argv, NULL);
    if (status != OPTIONS_CONTINUE)
        return status;
    Error err;
    return finish(chosen, &err) ? OPTIONS_CONTINUE : options_wrong(&line, &err);
}

// A model that is there stays there.
static bool check_free(const char *directory, const char *name, Error *err) {
    char path[PATH_BYTES];
    if (!path_join(path, directory, name, err))
        return false;
    if (file_exists(path))
        return fail(err, "%s: wanted a directory without a model, found this",
                    path);
    return true;
}

int command_init(int argc, char **argv) {
    InitOptions chosen = {
        .dt_rank = "auto", .dt_init = "random", .config = config_default()};
    int status = parse(&chosen, argc, argv);
    if (status != OPTIONS_CONTINUE)
        return status;

    Error err;
    Model model;
    if (!check_free(chosen.out, "config.json", &err) ||
        !check_free(chosen.out, "model.safetensors", &err) ||
        !model_initialize(&model, &chosen.config, chosen.seed, &err))
        return command_end(false, &err);
    bool ok = model_save(&model, chosen.out, &err);
    model_free(&model);
    return command_end(ok, &err);
}
