// The configuration: its defaults and limits, and config.json in both formats.
#include "config.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "config_json.h"
#include "failing_memory.h"
#include "scratch.h"
#include "toy.h"

TestSuite(config, .init = scratch_begin, .fini = scratch_end);

// --- Defaults and sizes ------------------------------------------------------

Test(config, defaults_are_the_official_ones) {
    Config c = config_default();
    cr_assert(c.d_model == 512 && c.n_layer == 6 && c.vocab_size == 10000);
    cr_assert(c.d_state == 16 && c.d_conv == 4 && c.expand == 2);
    cr_assert_eq(config_dt_rank(&c), 32);
    cr_assert(c.dt_min == 1e-3 && c.dt_max == 0.1 && c.dt_init_floor == 1e-4);
    cr_assert(c.dt_init == DT_INIT_RANDOM && c.dt_scale == 1);
    cr_assert(c.conv_bias && !c.bias && c.rms_norm && c.tie_embeddings);
    cr_assert(c.norm_eps == 1e-5 && c.pad_vocab_size_multiple == 8);
    cr_assert_eq(c.eos_token_id, 0);
    Error err;
    check_ok(config_check(&c, "defaults", &err), &err);
}

Test(config, dt_rank_is_the_ceiling_of_a_sixteenth) {
    const size_t wanted[][2] = {
        {1, 1},  {15, 1}, {16, 1},  {17, 2},   {31, 2},    {32, 2},    {33, 3},
        {48, 3}, {96, 6}, {100, 7}, {768, 48}, {1024, 64}, {2560, 160}};
    Config c = config_default();
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        c.d_model = wanted[i][0];
        cr_assert_eq(config_dt_rank(&c), wanted[i][1], "d_model %zu",
                     c.d_model);
    }
    c.dt_rank = 5;
    cr_assert_eq(config_dt_rank(&c), 5);
}

Test(config, the_vocabulary_is_padded_up) {
    const size_t wanted[][3] = {{10000, 8, 10000}, {10001, 8, 10008},
                                {10007, 8, 10008}, {1, 8, 8},
                                {50277, 8, 50280}, {256, 1, 256},
                                {7, 16, 16},       {257, 256, 512}};
    Config c = config_default();
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        c.vocab_size = wanted[i][0];
        c.pad_vocab_size_multiple = wanted[i][1];
        cr_assert_eq(config_padded_vocab_size(&c), wanted[i][2]);
    }
}

Test(config, the_block_has_its_sizes) {
    Config c = toy_config();
    BlockShape shape = config_block_shape(&c);
    cr_assert(shape.d_model == 12 && shape.d_inner == 36);
    cr_assert(shape.d_state == 5 && shape.d_conv == 4 && shape.dt_rank == 2);
    cr_assert_eq(shape.norm_eps, 1e-5f);
    cr_assert_eq(config_d_inner(&c), 36);
}

// --- Limits ------------------------------------------------------------------

static void refuses_config(const Config *config, const char *key) {
    Error err;
    Label part = label("%s: wanted ", key);
    check_refused(key, config_check(config, "a file", &err), &err,
                  "a file: ", part.text);
}

// Sizes below and above what is wanted, one at a time.
Test(config, sizes_have_limits) {
    const size_t sizes[] = {0, 1, 3, ((size_t)1 << 28) + 1, (size_t)-1};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        Config c = config_default();
        struct {
            const char *name;
            size_t *size;
        } keys[] = {{"d_model", &c.d_model},
                    {"n_layer", &c.n_layer},
                    {"vocab_size", &c.vocab_size},
                    {"d_state", &c.d_state},
                    {"d_conv", &c.d_conv},
                    {"expand", &c.expand},
                    {"dt_rank", &c.dt_rank},
                    {"pad_vocab_size_multiple", &c.pad_vocab_size_multiple}};
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
            size_t before = *keys[k].size;
            *keys[k].size = sizes[i];
            bool automatic = sizes[i] == 0 && keys[k].size == &c.dt_rank;
            Error err;
            if (automatic || sizes[i] == 1 || sizes[i] == 3)
                check_ok(config_check(&c, "a file", &err), &err);
            else
                refuses_config(&c, keys[k].name);
            *keys[k].size = before;
        }
    }
}

Test(config, numbers_have_limits) {
    const double wrong[] = {0, -1, -INFINITY, INFINITY, NAN, 1e300};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        Config c = config_default();
        struct {
            const char *name;
            double *number;
        } keys[] = {{"dt_min", &c.dt_min},
                    {"dt_max", &c.dt_max},
                    {"dt_scale", &c.dt_scale},
                    {"dt_init_floor", &c.dt_init_floor},
                    {"norm_eps", &c.norm_eps}};
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
            double before = *keys[k].number;
            *keys[k].number = wrong[i];
            refuses_config(&c, keys[k].name);
            *keys[k].number = before;
        }
    }
}

Test(config, what_does_not_agree_is_refused) {
    Config c = config_default();
    c.dt_min = 0.2;
    refuses_config(&c, "dt_min");
    c.dt_max = 0.2;
    Error err;
    check_ok(config_check(&c, "a file", &err), &err);
    c.rms_norm = false;
    refuses_config(&c, "rms_norm");
}

// Products of the largest sizes still fit into 64 bits, with room for the 4
// bytes of a number.
Test(config, the_largest_sizes_multiply) {
    Config c = config_default();
    size_t *const sizes[] = {&c.d_model, &c.n_layer, &c.vocab_size, &c.d_state,
                             &c.d_conv,  &c.expand,  &c.dt_rank};
    Error err;
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        for (*sizes[k] = (size_t)1 << 40; !config_check(&c, "a file", &err);)
            *sizes[k] /= 2;
    double d_inner = (double)c.expand * (double)c.d_model;
    double layer = 2 * d_inner * (double)c.d_model +
                   d_inner * (double)(c.d_conv + c.dt_rank + 1) +
                   d_inner * (double)(c.dt_rank + 2 * c.d_state) +
                   d_inner * (double)c.d_state + d_inner * (double)c.d_model;
    double all = 2 * (double)config_padded_vocab_size(&c) * (double)c.d_model +
                 (double)c.n_layer * layer;
    cr_assert(4 * all < 0x1p63, "wanted fewer bytes, found %g", 4 * all);
    compare_number("parameters", 0, (double)parameter_total(&c), all,
                   1e-3 * all);
}

// --- Reading -----------------------------------------------------------------

// Read from memory of just the text's size.
static bool read(Config *config, const char *text, Error *err) {
    size_t size = strlen(text);
    char *exact = malloc(size);
    cr_assert(exact || size == 0);
    if (size > 0)
        memcpy(exact, text, size);
    bool ok = config_read(config, "a file", exact, size, err);
    free(exact);
    return ok;
}

static Config must_read(const char *text) {
    Config config;
    Error err;
    if (!read(&config, text, &err))
        cr_assert_fail("%s\nin: %s", err.text, text);
    return config;
}

static void refuses(const char *text, const char *part) {
    Config config;
    Error err;
    check_refused(text, read(&config, text, &err), &err, "a file: ", part);
}

// What is published as state-spaces/mamba-130m-hf.
static const char hf_130m[] =
    "{\"architectures\": [\"MambaForCausalLM\"], \"bos_token_id\": 0,\n"
    "\"conv_kernel\": 4, \"d_inner\": 1536, \"d_model\": 768,\n"
    "\"eos_token_id\": 0, \"expand\": 2, \"fused_add_norm\": true,\n"
    "\"hidden_act\": \"silu\", \"hidden_size\": 768,\n"
    "\"initializer_range\": 0.1, \"intermediate_size\": 1536,\n"
    "\"layer_norm_epsilon\": 1e-05, \"model_type\": \"mamba\",\n"
    "\"n_layer\": 24, \"num_hidden_layers\": 24, \"pad_token_id\": 0,\n"
    "\"pad_vocab_size_multiple\": 8, \"rescale_prenorm_residual\": false,\n"
    "\"residual_in_fp32\": true, \"rms_norm\": true, \"ssm_cfg\": {},\n"
    "\"state_size\": 16, \"time_step_floor\": 0.0001,\n"
    "\"time_step_init_scheme\": \"random\", \"time_step_max\": 0.1,\n"
    "\"time_step_min\": 0.001, \"time_step_rank\": 48,\n"
    "\"time_step_scale\": 1.0, \"torch_dtype\": \"float32\",\n"
    "\"transformers_version\": \"4.39.0.dev0\", \"use_bias\": false,\n"
    "\"use_cache\": true, \"use_conv_bias\": true, \"vocab_size\": 50280}";

// What is published as state-spaces/mamba-130m.
static const char original_130m[] =
    "{\"d_model\": 768, \"n_layer\": 24, \"vocab_size\": 50277,\n"
    "\"ssm_cfg\": {}, \"rms_norm\": true, \"residual_in_fp32\": true,\n"
    "\"fused_add_norm\": true, \"pad_vocab_size_multiple\": 8}";

Test(config, published_ones_are_read) {
    const char *const texts[] = {hf_130m, original_130m};
    for (size_t i = 0; i < 2; i++) {
        Config c = must_read(texts[i]);
        cr_assert(c.d_model == 768 && c.n_layer == 24);
        cr_assert_eq(config_padded_vocab_size(&c), 50280);
        cr_assert_eq(c.vocab_size, i == 0 ? 50280 : 50277);
        cr_assert(c.d_state == 16 && c.d_conv == 4 && c.expand == 2);
        cr_assert_eq(config_dt_rank(&c), 48);
        cr_assert(c.conv_bias && !c.bias && c.rms_norm && c.tie_embeddings);
        cr_assert(c.norm_eps == 1e-5 && c.eos_token_id == 0);
        cr_assert_eq(parameter_total(&c), 129135360);
    }
}

Test(config, what_is_missing_has_its_default) {
    Config c = must_read("{\"d_model\": 7, \"n_layer\": 3, \"vocab_size\": 9}");
    cr_assert(c.d_model == 7 && c.n_layer == 3 && c.vocab_size == 9);
    cr_assert(c.pad_vocab_size_multiple == 8 && c.tie_embeddings);
    cr_assert(c.d_state == 16 && c.d_conv == 4 && c.expand == 2);
    cr_assert_eq(config_dt_rank(&c), 1);

    c = must_read("{\"model_type\": \"mamba\", \"hidden_size\": 7,"
                  "\"num_hidden_layers\": 3, \"vocab_size\": 9}");
    cr_assert(c.d_model == 7 && c.n_layer == 3 && c.vocab_size == 9);
    // This format's vocabulary is padded already.
    cr_assert_eq(config_padded_vocab_size(&c), 9);
    cr_assert(c.d_state == 16 && c.d_conv == 4 && c.expand == 2);
    cr_assert(c.conv_bias && !c.bias && c.tie_embeddings);
}

// A key of every kind, each with another value than its default.
static const char hf_other[] =
    "{\"model_type\": \"mamba\", \"hidden_size\": 20,"
    "\"num_hidden_layers\": 3, \"vocab_size\": 32, \"state_size\": 8,"
    "\"conv_kernel\": 3, \"expand\": 4, \"intermediate_size\": 80,"
    "\"time_step_rank\": 5, \"time_step_min\": 0.01, \"time_step_max\": 0.5,"
    "\"time_step_init_scheme\": \"constant\", \"time_step_scale\": 2.5,"
    "\"time_step_floor\": 0.002, \"use_conv_bias\": false,"
    "\"use_bias\": true, \"rms_norm\": true, \"layer_norm_epsilon\": 1e-3,"
    "\"hidden_act\": \"silu\", \"tie_word_embeddings\": false,"
    "\"eos_token_id\": 5, \"ssm_cfg\": {}, \"unpadded_vocab_size\": 30}";
static const char original_other[] =
    "{\"d_model\": 20, \"n_layer\": 3, \"vocab_size\": 30,"
    "\"pad_vocab_size_multiple\": 16, \"tie_embeddings\": false,"
    "\"d_intermediate\": 0, \"attn_layer_idx\": [], \"attn_cfg\": {},"
    "\"rms_norm\": true, \"ssm_cfg\": {\"layer\": \"Mamba1\","
    "\"d_state\": 8, \"d_conv\": 3, \"expand\": 4, \"dt_rank\": 5,"
    "\"dt_min\": 0.01, \"dt_max\": 0.5, \"dt_init\": \"constant\","
    "\"dt_scale\": 2.5, \"dt_init_floor\": 0.002, \"conv_bias\": false,"
    "\"bias\": true, \"use_fast_path\": false}}";

Test(config, every_key_is_read) {
    const char *const texts[] = {hf_other, original_other};
    for (size_t i = 0; i < 2; i++) {
        Config c = must_read(texts[i]);
        cr_assert(c.d_model == 20 && c.n_layer == 3 && c.vocab_size == 30);
        cr_assert_eq(config_padded_vocab_size(&c), 32);
        cr_assert(c.d_state == 8 && c.d_conv == 3 && c.expand == 4);
        cr_assert(c.dt_rank == 5 && c.dt_min == 0.01 && c.dt_max == 0.5);
        cr_assert(c.dt_init == DT_INIT_CONSTANT && c.dt_scale == 2.5);
        cr_assert(c.dt_init_floor == 0.002 && !c.conv_bias && c.bias);
        cr_assert(!c.tie_embeddings);
    }
    Config c = must_read(hf_other);
    cr_assert(c.norm_eps == 1e-3 && c.eos_token_id == 5);
}

Test(config, dt_rank_may_be_auto) {
    char *text = replaced(hf_other, "\"time_step_rank\": 5",
                          "\"time_step_rank\": \"auto\"");
    Config c = must_read(text);
    cr_assert_eq(config_dt_rank(&c), 2);
    free(text);
    text = replaced(original_other, "\"dt_rank\": 5", "\"dt_rank\": \"auto\"");
    c = must_read(text);
    cr_assert_eq(config_dt_rank(&c), 2);
    free(text);
}

Test(config, a_text_need_have_no_end) {
    char *text =
        replaced(hf_other, "\"eos_token_id\": 5", "\"eos_token_id\": null");
    Config c = must_read(text);
    cr_assert_eq(c.eos_token_id, -1);
    free(text);
}

// --- Refusing ----------------------------------------------------------------

// text with `find` replaced is refused, and the line has this part.
static void refuses_with(const char *text, const char *find, const char *by,
                         const char *part) {
    char *wrong = replaced(text, find, by);
    refuses(wrong, part);
    free(wrong);
}

Test(config, required_keys_are_required) {
    refuses("{}", "wanted a value, found none");
    const char *const hf[] = {"hidden_size", "num_hidden_layers", "vocab_size"};
    const char *const original[] = {"d_model", "n_layer", "vocab_size"};
    for (size_t i = 0; i < 3; i++) {
        Label key = label("\"%s\"", hf[i]);
        Label part = label("%s: wanted a value, found none", hf[i]);
        refuses_with(hf_other, key.text, "\"pad_token_id\"", part.text);
        key = label("\"%s\"", original[i]);
        part = label("%s: wanted a value, found none", original[i]);
        refuses_with(original_other, key.text, "\"residual_in_fp32\"",
                     part.text);
    }
}

Test(config, unknown_keys_are_refused) {
    const char *part = "state_sise: wanted a key of Mamba's configuration";
    refuses_with(hf_other, "\"state_size\"", "\"state_sise\"", part);
    refuses_with(original_other, "\"ssm_cfg\"", "\"ssm_cgf\"", "ssm_cgf: ");
    refuses_with(original_other, "\"d_state\"", "\"state_sise\"", part);
    refuses_with(original_other, "\"rms_norm\"", "\"hidden_size\"",
                 "hidden_size: ");
    refuses_with(hf_other, "\"state_size\"", "\"STATE_SIZE\"", "STATE_SIZE: ");
    refuses_with(hf_other, "\"rms_norm\"", "\"\"", "wanted a key");
}

// The keys of the two formats above, and which kinds of value each may have.
typedef struct {
    const char *key, *value, *may_be;
} KeyCase;
static const KeyCase hf_keys[] = {{"model_type", "\"mamba\"", ""},
                                  {"hidden_size", "20", ""},
                                  {"num_hidden_layers", "3", ""},
                                  {"vocab_size", "32", ""},
                                  {"state_size", "8", ""},
                                  {"conv_kernel", "3", ""},
                                  {"expand", "4", ""},
                                  {"intermediate_size", "80", ""},
                                  {"time_step_rank", "5", ""},
                                  {"time_step_min", "0.01", "number"},
                                  {"time_step_max", "0.5", "number"},
                                  {"time_step_init_scheme", "\"constant\"", ""},
                                  {"time_step_scale", "2.5", "number"},
                                  {"time_step_floor", "0.002", "number"},
                                  {"use_conv_bias", "false", "bool"},
                                  {"use_bias", "true", "bool"},
                                  {"rms_norm", "true", "bool"},
                                  {"layer_norm_epsilon", "1e-3", "number"},
                                  {"hidden_act", "\"silu\"", ""},
                                  {"tie_word_embeddings", "false", "bool"},
                                  {"eos_token_id", "5", "null zero"},
                                  {"ssm_cfg", "{}", "null [] {} zero"},
                                  {"unpadded_vocab_size", "30", ""}};
static const KeyCase original_keys[] = {
    {"d_model", "20", ""},
    {"n_layer", "3", ""},
    {"vocab_size", "30", ""},
    {"pad_vocab_size_multiple", "16", ""},
    {"tie_embeddings", "false", "bool"},
    {"d_intermediate", "0", "null [] {} zero"},
    {"attn_layer_idx", "[]", "null [] {} zero"},
    {"attn_cfg", "{}", "null [] {} zero"},
    {"rms_norm", "true", "bool"},
    {"layer", "\"Mamba1\"", ""},
    {"d_state", "8", ""},
    {"d_conv", "3", ""},
    {"expand", "4", ""},
    {"dt_rank", "5", ""},
    {"dt_min", "0.01", "number"},
    {"dt_max", "0.5", "number"},
    {"dt_init", "\"constant\"", ""},
    {"dt_scale", "2.5", "number"},
    {"dt_init_floor", "0.002", "number"},
    {"conv_bias", "false", "bool"},
    {"bias", "true", "bool"}};

// Values of every type, and numbers that hardly any key wants.
static const struct {
    const char *text, *kind;
} wrong_values[] = {{"\"word\"", "string"},
                    {"\"\"", "string"},
                    {"null", "null"},
                    {"[]", "[]"},
                    {"{}", "{}"},
                    {"[1]", "array"},
                    {"{\"a\":1}", "object"},
                    {"true", "bool"},
                    {"0", "zero"},
                    {"-1", "negative"},
                    {"0.3333", "number"},
                    {"1e300", "huge"},
                    {"1e999", "infinite"},
                    {"-1e999", "infinite"}};

static void check_wrong_values(const char *text, const KeyCase *key) {
    for (size_t i = 0; i < sizeof wrong_values / sizeof *wrong_values; i++) {
        if (strstr(key->may_be, wrong_values[i].kind))
            continue;
        Label find = label("\"%s\": %s", key->key, key->value);
        Label by = label("\"%s\": %s", key->key, wrong_values[i].text);
        char *wrong = replaced(text, find.text, by.text);
        refuses(wrong, "wanted ");
        free(wrong);
    }
}

Test(config, every_key_wants_its_type) {
    for (size_t i = 0; i < sizeof hf_keys / sizeof *hf_keys; i++)
        check_wrong_values(hf_other, &hf_keys[i]);
    for (size_t i = 0; i < sizeof original_keys / sizeof *original_keys; i++)
        check_wrong_values(original_other, &original_keys[i]);
    refuses_with(original_130m, "\"ssm_cfg\": {}", "\"ssm_cfg\": []",
                 "ssm_cfg: wanted an object, found an array");
}

Test(config, words_must_be_the_right_ones) {
    refuses_with(hf_other, "\"mamba\"", "\"mamba2\"",
                 "model_type: wanted mamba, found \"mamba2\"");
    refuses_with(hf_other, "\"silu\"", "\"gelu\"",
                 "hidden_act: wanted silu, found \"gelu\"");
    refuses_with(hf_other, "\"constant\"", "\"other\"",
                 "time_step_init_scheme: wanted \"random\" or \"constant\"");
    refuses_with(original_other, "\"Mamba1\"", "\"Mamba2\"",
                 "layer: wanted Mamba1, found \"Mamba2\"");
    refuses_with(original_other, "\"d_intermediate\": 0",
                 "\"d_intermediate\": 64", "d_intermediate: wanted nothing");
    refuses_with(original_other, "\"attn_layer_idx\": []",
                 "\"attn_layer_idx\": [3]", "attn_layer_idx: wanted nothing");
    refuses_with(hf_other, "\"rms_norm\": true", "\"rms_norm\": false",
                 "rms_norm: wanted true, found false");
}

Test(config, sizes_must_agree) {
    refuses_with(hf_other, "\"intermediate_size\": 80",
                 "\"intermediate_size\": 40",
                 "intermediate_size: wanted expand * hidden_size = 80, "
                 "found 40");
    refuses_with(hf_other, "\"unpadded_vocab_size\": 30",
                 "\"unpadded_vocab_size\": 33",
                 "unpadded_vocab_size: wanted at most vocab_size = 32, "
                 "found 33");
    refuses_with(hf_other, "\"time_step_min\": 0.01", "\"time_step_min\": 0.6",
                 "dt_min: wanted above 0 up to 0.5, found 0.6");
}

Test(config, a_text_cut_anywhere_is_refused) {
    for (size_t size = 0; size < strlen(hf_130m); size++) {
        char *cut = strdup(hf_130m);
        cut[size] = '\0';
        refuses(cut, "wanted JSON");
        free(cut);
    }
}

// --- Writing -----------------------------------------------------------------

static Config write_and_read(const Config *config) {
    Config again;
    Error err;
    size_t size;
    check_ok(config_write(config, scratch("config.json"), &err), &err);
    char *text = read_bytes(scratch("config.json"), &size);
    if (!config_read(&again, "a file", text, size, &err))
        cr_assert_fail("%s\nin: %s", err.text, text);
    free(text);
    return again;
}

// Two configurations of the same model: dt_rank and the padding may be said in
// other words.
static void check_same(const Config *a, const Config *b) {
    cr_assert(a->d_model == b->d_model && a->n_layer == b->n_layer);
    cr_assert_eq(a->vocab_size, b->vocab_size);
    cr_assert_eq(config_padded_vocab_size(a), config_padded_vocab_size(b));
    cr_assert(a->d_state == b->d_state && a->d_conv == b->d_conv);
    cr_assert_eq(a->expand, b->expand);
    cr_assert_eq(config_dt_rank(a), config_dt_rank(b));
    cr_assert_eq(a->dt_init, b->dt_init);
    cr_assert(a->conv_bias == b->conv_bias && a->bias == b->bias);
    cr_assert_eq(a->rms_norm, b->rms_norm);
    cr_assert_eq(a->tie_embeddings, b->tie_embeddings);
    cr_assert_eq(a->eos_token_id, b->eos_token_id);
    // cJSON writes 15 digits where the rest is below a double's precision.
    const double numbers[][2] = {{a->dt_min, b->dt_min},
                                 {a->dt_max, b->dt_max},
                                 {a->dt_scale, b->dt_scale},
                                 {a->dt_init_floor, b->dt_init_floor},
                                 {a->norm_eps, b->norm_eps}};
    for (size_t i = 0; i < 5; i++)
        compare_number("number", i, numbers[i][0], numbers[i][1],
                       2 * DBL_EPSILON * numbers[i][1]);
}

Test(config, what_is_written_is_read_again) {
    Random random = random_from_seed(4);
    for (int i = 0; i < 200; i++) {
        Config c = random_config(&random);
        c.dt_max = random_uniform(&random, 0.01, 1);
        c.dt_min = c.dt_max * random_uniform(&random, 0.001, 1);
        c.dt_init_floor = random_uniform(&random, 1e-6, 1e-3);
        c.dt_scale = random_uniform(&random, 0.1, 3);
        c.dt_init = i % 2 ? DT_INIT_CONSTANT : DT_INIT_RANDOM;
        c.norm_eps = random_uniform(&random, 1e-12, 1e-3);
        c.eos_token_id = i % 3 ? (int64_t)(c.vocab_size - 1) : -1;
        Config again = write_and_read(&c);
        check_same(&again, &c);
        Config twice = write_and_read(&again);
        check_same(&twice, &again);
    }
    cr_assert_eq(scratch_entries(""), 1, "wanted no temporary left");
}

// Vocabularies larger than any byte-pair encoding's, padded and not.
Test(config, any_vocabulary_is_read_again) {
    const size_t sizes[] = {1, 255, 256, 50277, 65537, 100277, 262143, 1000003};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t multiple = 1; multiple <= 64; multiple *= 8) {
            Config c = config_default();
            c.vocab_size = sizes[i];
            c.pad_vocab_size_multiple = multiple;
            Config again = write_and_read(&c);
            check_same(&again, &c);
        }
}

// The official names that other programs read.
Test(config, is_written_for_transformers) {
    Config c = must_read(hf_other);
    Error err;
    size_t size;
    check_ok(config_write(&c, scratch("config.json"), &err), &err);
    char *text = read_bytes(scratch("config.json"), &size);
    const char *const parts[] = {"\"MambaForCausalLM\"",
                                 "\"model_type\":\t\"mamba\"",
                                 "\"hidden_size\":\t20,",
                                 "\"num_hidden_layers\":\t3,",
                                 "\"vocab_size\":\t32,",
                                 "\"unpadded_vocab_size\":\t30,",
                                 "\"state_size\":\t8,",
                                 "\"conv_kernel\":\t3,",
                                 "\"expand\":\t4,",
                                 "\"intermediate_size\":\t80,",
                                 "\"time_step_rank\":\t5,",
                                 "\"time_step_init_scheme\":\t\"constant\"",
                                 "\"layer_norm_epsilon\":\t0.001,",
                                 "\"use_bias\":\ttrue,",
                                 "\"use_conv_bias\":\tfalse,",
                                 "\"hidden_act\":\t\"silu\"",
                                 "\"tie_word_embeddings\":\tfalse",
                                 "\"eos_token_id\":\t5"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        cr_assert(strstr(text, parts[i]), "wanted %s in: %s", parts[i], text);
    cr_assert_eq(text[size - 1], '\n');
    free(text);
}

Test(config, is_written_whole_or_not_at_all) {
    Config c = config_default();
    Error err;
    check_refused("a directory", config_write(&c, scratch(""), &err), &err,
                  scratch(""), "wanted a regular file to write");
    const char *path = scratch("no/parent");
    check_refused("no parent", config_write(&c, path, &err), &err, path,
                  "No such file");
    cr_assert_eq(scratch_entries(""), 0);
}
