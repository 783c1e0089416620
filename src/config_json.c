#include "config_json.h"

#include <string.h>

#include "file.h"
#include "json.h"

// What is wanted of a key, and so what its target points to.
typedef enum {
    KEY_IGNORED,  // known, and of no consequence here
    KEY_COUNT,    // size_t
    KEY_NUMBER,   // double
    KEY_BOOL,     // bool
    KEY_RANK,     // size_t: a whole number, or "auto" for 0
    KEY_DT_INIT,  // DtInit: "random" or "constant"
    KEY_TOKEN,    // int64_t: a token id, or null for -1
    KEY_WORD,     // const char *: the only word that will do
    KEY_EMPTY,    // nothing: 0, [] or {} is all that will do
    KEY_OBJECT,   // const cJSON **: to be read on its own
} KeyKind;

typedef struct {
    const char *name;
    KeyKind kind;
    void *target;
} Key;

static bool read_rank(const cJSON *item, const char *name, size_t *rank,
                      Error *err) {
    *rank = 0;
    if (cJSON_IsString(item) && strcmp(item->valuestring, "auto") == 0)
        return true;
    if (!cJSON_IsNumber(item))
        return json_fail(item, name, "a whole number or \"auto\"", err);
    return json_count(item, name, 1, 1 << 20, rank, err);
}

static bool read_dt_init(const cJSON *item, const char *name, DtInit *init,
                         Error *err) {
    const char *word = cJSON_GetStringValue(item);
    if (word && strcmp(word, "random") == 0)
        *init = DT_INIT_RANDOM;
    else if (word && strcmp(word, "constant") == 0)
        *init = DT_INIT_CONSTANT;
    else
        return json_fail(item, name, "\"random\" or \"constant\"", err);
    return true;
}

static bool read_token(const cJSON *item, const char *name, int64_t *token,
                       Error *err) {
    size_t id;
    *token = -1;
    if (cJSON_IsNull(item))
        return true;
    if (!json_count(item, name, 0, 1 << 28, &id, err))
        return false;
    *token = (int64_t)id;
    return true;
}

static bool read_word(const cJSON *item, const char *name, const char *word,
                      Error *err) {
    const char *found = cJSON_GetStringValue(item);
    if (!found || strcmp(found, word) != 0)
        return json_fail(item, name, word, err);
    return true;
}

static bool read_empty(const cJSON *item, const char *name, Error *err) {
    bool zero = cJSON_IsNumber(item) && item->valuedouble == 0;
    bool nothing = (cJSON_IsArray(item) || cJSON_IsObject(item)) &&
                   cJSON_GetArraySize(item) == 0;
    if (!zero && !nothing && !cJSON_IsNull(item))
        return json_fail(item, name, "nothing (this is no plain Mamba)", err);
    return true;
}

// One key's value into its target.
static bool read_key(const cJSON *item, const char *name, const Key *key,
                     Error *err) {
    switch (key->kind) {
    case KEY_IGNORED:
        return true;
    case KEY_COUNT:
        return json_count(item, name, 0, 1 << 28, key->target, err);
    case KEY_NUMBER:
        return json_number(item, name, key->target, err);
    case KEY_BOOL:
        return json_bool(item, name, key->target, err);
    case KEY_RANK:
        return read_rank(item, name, key->target, err);
    case KEY_DT_INIT:
        return read_dt_init(item, name, key->target, err);
    case KEY_TOKEN:
        return read_token(item, name, key->target, err);
    case KEY_WORD:
        return read_word(item, name, key->target, err);
    case KEY_EMPTY:
        return read_empty(item, name, err);
    case KEY_OBJECT:
        if (!cJSON_IsObject(item))
            return json_fail(item, name, "an object", err);
        *(const cJSON **)key->target = item;
        return true;
    }
    return json_fail(item, name, "a known kind of key", err);
}

// Every key of the object is in the table, and has what is wanted there.
static bool read_keys(const cJSON *object, const char *name, const Key *keys,
                      size_t n_keys, Error *err) {
    const cJSON *item;
    cJSON_ArrayForEach (item, object) {
        size_t i = 0;
        while (i < n_keys && strcmp(keys[i].name, item->string) != 0)
            i++;
        if (i == n_keys)
            return fail(err,
                        "%s: %s: wanted a key of Mamba's configuration, "
                        "found this (remove it, or correct its spelling)",
                        name, item->string);
        if (!read_key(item, name, &keys[i], err))
            return false;
    }
    return true;
}

// The keys without which no default will do.
static bool require_keys(const cJSON *object, const char *name,
                         const char *const *keys, size_t n_keys, Error *err) {
    for (size_t i = 0; i < n_keys; i++)
        if (!cJSON_GetObjectItemCaseSensitive(object, keys[i]))
            return fail(err, "%s: %s: wanted a value, found none", name,
                        keys[i]);
    return true;
}

// What transformers writes beside the model's sizes and Mamba has no use for.
static const char *const ignored[] = {"_name_or_path",
                                      "add_cross_attention",
                                      "architectures",
                                      "auto_map",
                                      "bad_words_ids",
                                      "begin_suppress_tokens",
                                      "bos_token_id",
                                      "chunk_size_feed_forward",
                                      "cross_attention_hidden_size",
                                      "d_inner",
                                      "d_model",
                                      "decoder_start_token_id",
                                      "diversity_penalty",
                                      "do_sample",
                                      "dtype",
                                      "early_stopping",
                                      "encoder_no_repeat_ngram_size",
                                      "exponential_decay_length_penalty",
                                      "finetuning_task",
                                      "forced_bos_token_id",
                                      "forced_eos_token_id",
                                      "fused_add_norm",
                                      "id2label",
                                      "initializer_range",
                                      "is_decoder",
                                      "is_encoder_decoder",
                                      "label2id",
                                      "length_penalty",
                                      "max_length",
                                      "max_position_embeddings",
                                      "min_length",
                                      "model_type",
                                      "n_layer",
                                      "no_repeat_ngram_size",
                                      "num_beam_groups",
                                      "num_beams",
                                      "num_return_sequences",
                                      "output_attentions",
                                      "output_hidden_states",
                                      "output_scores",
                                      "pad_token_id",
                                      "pad_vocab_size_multiple",
                                      "prefix",
                                      "problem_type",
                                      "pruned_heads",
                                      "remove_invalid_values",
                                      "repetition_penalty",
                                      "rescale_prenorm_residual",
                                      "residual_in_fp32",
                                      "return_dict",
                                      "return_dict_in_generate",
                                      "sep_token_id",
                                      "suppress_tokens",
                                      "task_specific_params",
                                      "temperature",
                                      "tf_legacy_loss",
                                      "tie_encoder_decoder",
                                      "time_step_limit",
                                      "tokenizer_class",
                                      "top_k",
                                      "top_p",
                                      "torch_dtype",
                                      "torchscript",
                                      "transformers_version",
                                      "typical_p",
                                      "use_associative_scan",
                                      "use_bfloat16",
                                      "use_cache",
                                      "use_falcon_mamba_rms",
                                      "use_mambapy"};

enum { MOST_KEYS = 128 };

// The format of transformers.
static bool read_transformers(Config *config, const cJSON *root,
                              const char *name, Error *err) {
    static const char *const required[] = {"hidden_size", "num_hidden_layers",
                                           "vocab_size"};
    size_t intermediate_size = SIZE_MAX, unpadded_vocab_size = SIZE_MAX;
    Key keys[MOST_KEYS] = {
        {"model_type", KEY_WORD, (void *)"mamba"},
        {"hidden_size", KEY_COUNT, &config->d_model},
        {"num_hidden_layers", KEY_COUNT, &config->n_layer},
        {"vocab_size", KEY_COUNT, &config->vocab_size},
        {"unpadded_vocab_size", KEY_COUNT, &unpadded_vocab_size},
        {"state_size", KEY_COUNT, &config->d_state},
        {"conv_kernel", KEY_COUNT, &config->d_conv},
        {"expand", KEY_COUNT, &config->expand},
        {"intermediate_size", KEY_COUNT, &intermediate_size},
        {"time_step_rank", KEY_RANK, &config->dt_rank},
        {"time_step_min", KEY_NUMBER, &config->dt_min},
        {"time_step_max", KEY_NUMBER, &config->dt_max},
        {"time_step_init_scheme", KEY_DT_INIT, &config->dt_init},
        {"time_step_scale", KEY_NUMBER, &config->dt_scale},
        {"time_step_floor", KEY_NUMBER, &config->dt_init_floor},
        {"use_conv_bias", KEY_BOOL, &config->conv_bias},
        {"use_bias", KEY_BOOL, &config->bias},
        {"rms_norm", KEY_BOOL, &config->rms_norm},
        {"layer_norm_epsilon", KEY_NUMBER, &config->norm_eps},
        {"hidden_act", KEY_WORD, (void *)"silu"},
        {"tie_word_embeddings", KEY_BOOL, &config->tie_embeddings},
        {"eos_token_id", KEY_TOKEN, &config->eos_token_id},
        {"ssm_cfg", KEY_EMPTY, NULL}};
    size_t n_keys = 0;
    while (keys[n_keys].name)
        n_keys++;
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        keys[n_keys++] = (Key){ignored[i], KEY_IGNORED, NULL};
    if (!require_keys(root, name, required, 3, err) ||
        !read_keys(root, name, keys, n_keys, err))
        return false;

    // Two sizes that follow from the others must agree with them.
    if (intermediate_size != SIZE_MAX &&
        intermediate_size != config_d_inner(config))
        return fail(err,
                    "%s: intermediate_size: wanted expand * hidden_size "
                    "= %zu, found %zu",
                    name, config_d_inner(config), intermediate_size);
    // The vocabulary is padded already: padding it again must change nothing.
    config->pad_vocab_size_multiple = 1;
    if (unpadded_vocab_size == SIZE_MAX)
        return true;
    if (unpadded_vocab_size == 0)
        return fail(err, "%s: unpadded_vocab_size: wanted at least 1, found 0",
                    name);
    if (unpadded_vocab_size > config->vocab_size)
        return fail(err,
                    "%s: unpadded_vocab_size: wanted at most vocab_size = %zu, "
                    "found %zu",
                    name, config->vocab_size, unpadded_vocab_size);
    if (unpadded_vocab_size < config->vocab_size)
        config->pad_vocab_size_multiple = config->vocab_size;
    config->vocab_size = unpadded_vocab_size;
    return true;
}

// ssm_cfg of the original format.
static bool read_ssm_cfg(Config *config, const cJSON *ssm_cfg, const char *name,
                         Error *err) {
    const Key keys[] = {{"layer", KEY_WORD, (void *)"Mamba1"},
                        {"d_state", KEY_COUNT, &config->d_state},
                        {"d_conv", KEY_COUNT, &config->d_conv},
                        {"expand", KEY_COUNT, &config->expand},
                        {"dt_rank", KEY_RANK, &config->dt_rank},
                        {"dt_min", KEY_NUMBER, &config->dt_min},
                        {"dt_max", KEY_NUMBER, &config->dt_max},
                        {"dt_init", KEY_DT_INIT, &config->dt_init},
                        {"dt_scale", KEY_NUMBER, &config->dt_scale},
                        {"dt_init_floor", KEY_NUMBER, &config->dt_init_floor},
                        {"conv_bias", KEY_BOOL, &config->conv_bias},
                        {"bias", KEY_BOOL, &config->bias},
                        {"use_fast_path", KEY_IGNORED, NULL}};
    return read_keys(ssm_cfg, name, keys, sizeof keys / sizeof *keys, err);
}

// The original format.
static bool read_original(Config *config, const cJSON *root, const char *name,
                          Error *err) {
    static const char *const required[] = {"d_model", "n_layer", "vocab_size"};
    const cJSON *ssm_cfg = NULL;
    const Key keys[] = {{"d_model", KEY_COUNT, &config->d_model},
                        {"n_layer", KEY_COUNT, &config->n_layer},
                        {"vocab_size", KEY_COUNT, &config->vocab_size},
                        {"ssm_cfg", KEY_OBJECT, &ssm_cfg},
                        {"rms_norm", KEY_BOOL, &config->rms_norm},
                        {"pad_vocab_size_multiple", KEY_COUNT,
                         &config->pad_vocab_size_multiple},
                        {"tie_embeddings", KEY_BOOL, &config->tie_embeddings},
                        {"residual_in_fp32", KEY_IGNORED, NULL},
                        {"fused_add_norm", KEY_IGNORED, NULL},
                        {"d_intermediate", KEY_EMPTY, NULL},
                        {"attn_layer_idx", KEY_EMPTY, NULL},
                        {"attn_cfg", KEY_EMPTY, NULL}};
    return require_keys(root, name, required, 3, err) &&
           read_keys(root, name, keys, sizeof keys / sizeof *keys, err) &&
           (!ssm_cfg || read_ssm_cfg(config, ssm_cfg, name, err));
}

bool config_read(Config *config, const char *name, const void *bytes,
                 size_t size, Error *err) {
    cJSON *root = json_parse(name, bytes, size, err);
    if (!root)
        return false;
    *config = config_default();
    bool ok = cJSON_GetObjectItemCaseSensitive(root, "model_type")
                  ? read_transformers(config, root, name, err)
                  : read_original(config, root, name, err);
    cJSON_Delete(root);
    return ok && config_check(config, name, err);
}

// The configuration as an object; NULL without memory.
static cJSON *config_object(const Config *c) {
    const char *init = c->dt_init == DT_INIT_RANDOM ? "random" : "constant";
    cJSON *root = cJSON_CreateObject();
    cJSON *architectures = cJSON_AddArrayToObject(root, "architectures");
    bool ok = architectures &&
              cJSON_AddItemToArray(architectures,
                                   cJSON_CreateString("MambaForCausalLM")) &&
              cJSON_AddStringToObject(root, "model_type", "mamba") &&
              cJSON_AddStringToObject(root, "hidden_act", "silu") &&
              cJSON_AddStringToObject(root, "torch_dtype", "float32") &&
              cJSON_AddStringToObject(root, "time_step_init_scheme", init);
    const struct {
        const char *name;
        double number;
    } numbers[] = {{"vocab_size", (double)config_padded_vocab_size(c)},
                   {"unpadded_vocab_size", (double)c->vocab_size},
                   {"hidden_size", (double)c->d_model},
                   {"num_hidden_layers", (double)c->n_layer},
                   {"state_size", (double)c->d_state},
                   {"conv_kernel", (double)c->d_conv},
                   {"expand", (double)c->expand},
                   {"intermediate_size", (double)config_d_inner(c)},
                   {"time_step_rank", (double)config_dt_rank(c)},
                   {"time_step_min", c->dt_min},
                   {"time_step_max", c->dt_max},
                   {"time_step_scale", c->dt_scale},
                   {"time_step_floor", c->dt_init_floor},
                   {"layer_norm_epsilon", c->norm_eps}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        ok = ok &&
             cJSON_AddNumberToObject(root, numbers[i].name, numbers[i].number);
    static const char *const ids[] = {"bos_token_id", "eos_token_id",
                                      "pad_token_id"};
    for (size_t i = 0; i < 3; i++)
        ok = ok && (c->eos_token_id < 0
                        ? cJSON_AddNullToObject(root, ids[i])
                        : cJSON_AddNumberToObject(root, ids[i],
                                                  (double)c->eos_token_id));
    ok = ok && cJSON_AddBoolToObject(root, "use_bias", c->bias) &&
         cJSON_AddBoolToObject(root, "use_conv_bias", c->conv_bias) &&
         cJSON_AddBoolToObject(root, "residual_in_fp32", true) &&
         cJSON_AddBoolToObject(root, "tie_word_embeddings", c->tie_embeddings);
    if (ok)
        return root;
    cJSON_Delete(root);
    return NULL;
}

bool config_write(const Config *config, const char *path, Error *err) {
    cJSON *root = config_object(config);
    char *text = root ? cJSON_Print(root) : NULL;
    cJSON_Delete(root);
    FileWriter writer;
    if (!text)
        return fail(err, "%s: memory for its text: wanted room, found none",
                    path);
    bool ok = file_begin(&writer, path, err);
    if (ok) {
        file_write(&writer, text, strlen(text));
        file_write(&writer, "\n", 1);
        ok = file_commit(&writer, err);
    }
    cJSON_free(text);
    return ok;
}
