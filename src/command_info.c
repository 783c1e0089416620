#include <stdio.h>

#include "cache.h"
#include "checkpoint.h"
#include "command.h"

static void print_size(const char *name, size_t size) {
    printf("%s\t%zu\n", name, size);
}

static void print_bool(const char *name, bool truth) {
    printf("%s\t%s\n", name, truth ? "true" : "false");
}

static void print_info(const Model *model) {
    const Config *config = &model->config;
    printf("model\t%s\n", model->name);
    print_size("d_model", config->d_model);
    print_size("n_layer", config->n_layer);
    print_size("vocab_size", config->vocab_size);
    print_size("padded_vocab_size", config_padded_vocab_size(config));
    print_size("d_state", config->d_state);
    print_size("d_conv", config->d_conv);
    print_size("expand", config->expand);
    print_size("d_inner", config_d_inner(config));
    print_size("dt_rank", config_dt_rank(config));
    print_bool("conv_bias", config->conv_bias);
    print_bool("bias", config->bias);
    print_bool("tie_embeddings", config->tie_embeddings);
    printf("norm_eps\t%g\n", config->norm_eps);
    print_size("parameters", parameter_total(config));
    printf("weights\t%s\n", matrix_type_name(model->weights));
    print_size("parameter_bytes", parameter_bytes(config, model->weights));
    print_size("state_bytes_per_sequence", cache_bytes(config));
}

int command_info(int argc, char **argv) {
    ModelChoice choice = command_default_choice();
    const Option options[] = {command_model_option(&choice),
                              command_weights_option(&choice)};
    const CommandLine line = {
        .program = "minimamba info",
        .summary = "Prints a model's configuration and sizes, with its "
                   "weights as they are\nkept in memory.",
        .options = options,
        .n_options = sizeof options / sizeof *options};
    int status = options_parse(&line, argc, argv, NULL);
    if (status == OPTIONS_CONTINUE)
        status = command_choose(&line, &choice);
    if (status != OPTIONS_CONTINUE)
        return status;

    Error err;
    Model model;
    bool ok = model_load(&model, choice.directory, choice.weights, &err);
    if (ok) {
        print_info(&model);
        model_free(&model);
    }
    return command_end(ok, &err);
}
