// Models as directories: every variant is written and read bit by bit, and what
// other programs write is read too. Files that lie are in hostile.c.
#include "checkpoint.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compare.h"
#include "config_json.h"
#include "embedded_model.h"
#include "failing_memory.h"
#include "scratch.h"
#include "toy.h"

TestSuite(checkpoint, .init = scratch_begin, .fini = scratch_end);

// --- The bench ---------------------------------------------------------------

static void load(Model *model, const char *directory) {
    Error err;
    check_ok(model_load(model, directory, MATRIX_F32, &err), &err);
}

static void refuses(const char *directory, const char *file, const char *part) {
    Model model;
    Error err;
    Label begins = label("%s/%s: ", directory, file);
    check_refused(directory, model_load(&model, directory, MATRIX_F32, &err),
                  &err, begins.text, part);
}

// The same tensors in the same order, with the same bits.
static void check_same(const Model *found, const Model *wanted) {
    cr_assert_eq(found->n_parameters, wanted->n_parameters);
    for (size_t i = 0; i < found->n_parameters; i++) {
        const Parameter *a = &found->parameters[i], *b = &wanted->parameters[i];
        cr_assert_str_eq(a->name, b->name);
        cr_assert_eq(a->count, b->count);
        compare_bits(a->name, found->numbers[i], wanted->numbers[i], a->count);
    }
    cr_assert_eq(found->config.vocab_size, wanted->config.vocab_size);
    cr_assert_eq(found->config.eos_token_id, wanted->config.eos_token_id);
}

// And they say the same: the same bits, because they compute the same.
static void check_same_logits(const Model *found, const Model *wanted) {
    enum { LENGTH = 7 };
    Random random = random_from_seed(5);
    int32_t *tokens = random_tokens(&random, &wanted->config, LENGTH);
    size_t count = LENGTH * config_padded_vocab_size(&wanted->config);
    float *one = new_floats(count), *other = new_floats(count);
    feed_alone(wanted, tokens, LENGTH, one, NULL);
    feed_alone(found, tokens, LENGTH, other, NULL);
    compare_bits("logits", other, one, count);
    free(tokens);
    free(one);
    free(other);
}

// --- Round trips -------------------------------------------------------------

static void round_trip(const Config *config, uint64_t seed) {
    Model model, again;
    Error err;
    toy_model(&model, config, seed);
    const char *path = scratch("model");
    check_ok(model_save(&model, path, &err), &err);
    load(&again, path);
    check_same(&again, &model);
    check_same_logits(&again, &model);
    cr_assert_eq(scratch_entries("model"), 2, "wanted no temporary left");
    model_free(&again);
    model_free(&model);
}

Test(checkpoint, every_variant_is_read_again) {
    for (int variant = 0; variant < 32; variant++) {
        Config config = toy_config();
        config.conv_bias = variant & 1;
        config.bias = variant & 2;
        config.tie_embeddings = variant & 4;
        config.pad_vocab_size_multiple = variant & 8 ? 1 : 8;
        config.d_conv = variant & 16 ? 1 : 4;
        config.eos_token_id = variant % 3 - 1;
        round_trip(&config, (uint64_t)variant);
    }
}

Test(checkpoint, random_models_are_read_again) {
    Random random = random_from_seed(3);
    for (uint64_t i = 0; i < 30; i++) {
        Config config = random_config(&random);
        round_trip(&config, i);
    }
}

// A model over itself: its numbers stay mapped while the file is replaced.
Test(checkpoint, a_loaded_model_is_saved_where_it_was) {
    Config config = toy_config();
    Model model, loaded, again;
    Error err;
    toy_model(&model, &config, 1);
    const char *path = scratch("model");
    check_ok(model_save(&model, path, &err), &err);
    load(&loaded, path);
    check_ok(model_save(&loaded, path, &err), &err);
    load(&again, path);
    check_same(&again, &model);
    check_same(&loaded, &model);
    model_free(&again);
    model_free(&loaded);
    model_free(&model);
}

// --- The default model -------------------------------------------------------

Test(checkpoint, the_default_model_is_the_one_in_the_repository) {
    size_t size;
    Label path = label("%s/config.json", kjv_directory);
    char *bytes = read_bytes(path.text, &size);
    cr_assert_eq(size, embedded_config_size);
    cr_assert_eq(memcmp(bytes, embedded_config, size), 0);
    free(bytes);
    path = label("%s/model.safetensors", kjv_directory);
    bytes = read_bytes(path.text, &size);
    cr_assert_eq(size, embedded_weights_size);
    cr_assert_eq(memcmp(bytes, embedded_weights, size), 0);
    free(bytes);

    Model embedded, loaded;
    load(&embedded, NULL);
    load(&loaded, kjv_directory);
    check_same(&loaded, &embedded);
    cr_assert_eq(parameter_total(&loaded.config), 297696);
    cr_assert(loaded.config.n_layer == 4 && loaded.config.d_model == 96);
    cr_assert(!loaded.tokenizer_file && !embedded.tokenizer_file);
    model_free(&embedded);
    model_free(&loaded);
}

// float32 that is aligned stays in the file: a checkpoint of gigabytes is not
// copied.
Test(checkpoint, numbers_stay_in_the_file) {
    Model model;
    load(&model, kjv_directory);
    const unsigned char *begin = model.file.view.bytes;
    for (size_t i = 0; i < model.n_parameters; i++) {
        const unsigned char *numbers = (const unsigned char *)model.numbers[i];
        cr_assert(numbers >= begin && numbers < begin + model.file.view.size);
    }
    model_free(&model);
}

Test(checkpoint, the_default_model_is_saved_and_read) {
    Model model, again;
    Error err;
    load(&model, NULL);
    check_ok(model_save(&model, scratch("model"), &err), &err);
    load(&again, scratch("model"));
    check_same(&again, &model);
    model_free(&again);
    model_free(&model);
}

// --- What others write -------------------------------------------------------

// The 16-bit number's value, as IEEE 754 (F16) or its upper half (BF16) has it.
static double half_value(TensorType type, unsigned half) {
    int bits = type == TENSOR_F16 ? 10 : 7;
    int bias = type == TENSOR_F16 ? 15 : 127;
    int most = type == TENSOR_F16 ? 31 : 255;
    int f = (int)(half & ((1u << bits) - 1)), e = (int)(half >> bits) & most;
    double size = e == 0 ? ldexp(f, 1 - bias - bits)
                         : ldexp((1 << bits) + f, e - bias - bits);
    if (e == most)
        size = f ? NAN : INFINITY;
    return half & 0x8000 ? -size : size;
}

// Replaces a tensor's numbers by made-up ones of another type, and keeps what
// they are in wanted (count). data must have room for 8 bytes each.
static void retype(Tensor *tensor, TensorType type, Random *random, void *data,
                   double *wanted) {
    for (size_t i = 0; i < tensor->count; i++) {
        unsigned half = (unsigned)random_bits(random) & 0xffff;
        double wide = random_normal(random, 0, 1);
        float single = (float)wide;
        if (type == TENSOR_F32)
            memcpy((float *)data + i, &single, sizeof single);
        else if (type == TENSOR_F64)
            memcpy((double *)data + i, &wide, sizeof wide);
        else
            memcpy((unsigned char *)data + 2 * i,
                   (unsigned char[]){half & 0xff, (half >> 8) & 0xff}, 2);
        wanted[i] = type == TENSOR_F32 || type == TENSOR_F64
                        ? single
                        : half_value(type, half);
    }
    tensor->type = type;
    tensor->data = data;
}

// The loaded tensor has these numbers; NaN is NaN.
static void check_numbers(const Model *model, size_t i, const double *wanted) {
    const Parameter *parameter = &model->parameters[i];
    for (size_t k = 0; k < parameter->count; k++) {
        float found = model->numbers[i][k];
        if (!(isnan(wanted[k]) ? isnan(found) : found == wanted[k]))
            cr_assert_fail("%s: number %zu: wanted %g, found %g",
                           parameter->name, k, wanted[k], found);
    }
}

// Inserts so many spaces behind a file's header, so that its numbers move.
static void shift_numbers(const char *path, size_t spaces) {
    size_t size;
    char *bytes = read_bytes(path, &size);
    uint64_t length, longer;
    memcpy(&length, bytes, sizeof length);
    FILE *file = fopen(path, "wb");
    cr_assert(file);
    longer = length + spaces;
    fwrite(&longer, sizeof longer, 1, file);
    fwrite(bytes + 8, 1, length, file);
    fprintf(file, "%*s", (int)spaces, "");
    fwrite(bytes + 8 + length, 1, size - 8 - length, file);
    fclose(file);
    free(bytes);
}

// A checkpoint with made-up numbers of the types in turn, its numbers shifted,
// has the right numbers when loaded.
static void check_types(const TensorType *types, size_t n_types,
                        size_t spaces) {
    Config config = toy_config();
    Model model, loaded;
    toy_model(&model, &config, 1);
    Random random = random_from_seed(spaces);
    Tensor *tensors = toy_tensors(&model);
    double *data = new_doubles(parameter_total(&config));
    double *wanted = new_doubles(parameter_total(&config));
    for (size_t i = 0, first = 0; i < model.n_parameters; i++) {
        retype(&tensors[i], types[i % n_types], &random, data + first,
               wanted + first);
        first += tensors[i].count;
    }
    const char *path =
        toy_checkpoint("typed", &config, tensors, model.n_parameters);
    shift_numbers(label("%s/model.safetensors", path).text, spaces);
    load(&loaded, path);
    for (size_t i = 0, first = 0; i < model.n_parameters; i++) {
        check_numbers(&loaded, i, wanted + first);
        first += tensors[i].count;
    }
    model_free(&loaded);
    model_free(&model);
    free(tensors);
    free(data);
    free(wanted);
}

// The random halves cover zeros, subnormals, infinities and NaN: of 2,000 that
// a tensor of the toy has, one in 32 (F16) has each end of the exponents.
Test(checkpoint, f16_and_bf16_are_converted) {
    check_types((TensorType[]){TENSOR_F16}, 1, 0);
    check_types((TensorType[]){TENSOR_BF16}, 1, 0);
    check_types((TensorType[]){TENSOR_F64}, 1, 0);
}

Test(checkpoint, types_may_differ_and_numbers_be_anywhere) {
    const TensorType all[] = {TENSOR_F16, TENSOR_F32, TENSOR_BF16, TENSOR_F64,
                              TENSOR_F32};
    for (size_t spaces = 0; spaces < 9; spaces++) {
        check_types(all, 5, spaces);
        check_types((TensorType[]){TENSOR_F32}, 1, spaces);
    }
}

// A's numbers follow from a converted A_log too.
Test(checkpoint, converted_weights_are_computed_with) {
    Config config = toy_config();
    Model model, loaded;
    toy_model(&model, &config, 1);
    Tensor *tensors = toy_tensors(&model);
    double *wide = new_doubles(parameter_total(&config));
    for (size_t i = 0, first = 0; i < model.n_parameters; i++) {
        for (size_t k = 0; k < tensors[i].count; k++)
            wide[first + k] = model.numbers[i][k];
        tensors[i].type = TENSOR_F64;
        tensors[i].data = wide + first;
        first += tensors[i].count;
    }
    load(&loaded, toy_checkpoint("wide", &config, tensors, model.n_parameters));
    check_same(&loaded, &model);
    check_same_logits(&loaded, &model);
    model_free(&loaded);
    model_free(&model);
    free(tensors);
    free(wide);
}

// --- Kept in fewer bits ------------------------------------------------------

static void load_as(Model *model, const char *directory, MatrixType weights) {
    Error err;
    check_ok(model_load(model, directory, weights, &err), &err);
    cr_assert_eq(model->weights, weights);
}

// The model's matrices rounded as this type keeps them, but in float32.
static void round_matrices(Model *model, MatrixType type) {
    for (size_t i = 0; i < model->n_parameters; i++) {
        const Parameter *parameter = &model->parameters[i];
        if (!parameter_is_matrix(parameter->role))
            continue;
        size_t out = parameter->shape[0], in = parameter->shape[1], n;
        float *numbers = toy_tensor(model, parameter->name, &n);
        void *memory = malloc(matrix_bytes(type, out, in));
        cr_assert(memory);
        for (size_t o = 0; o < out; o++)
            cr_assert(
                matrix_write_row(type, memory, out, in, o, numbers + o * in));
        matrix_columns(numbers, matrix_at(type, memory, out, in), 0, in);
        free(memory);
    }
    model_bind(model);
}

// The loaded model has the numbers of this one, matrices as its type keeps
// them, and computes the same with them: the order of rounding differs.
static void check_kept(const char *what, const Model *loaded,
                       const Model *wanted) {
    for (size_t i = 0; i < loaded->n_parameters; i++) {
        const Parameter *parameter = &loaded->parameters[i];
        size_t in = parameter->shape[1];
        Label name = label("%s: %s", what, parameter->name);
        float *numbers = new_floats(parameter->count);
        if (parameter_is_matrix(parameter->role)) {
            Matrix W = loaded->matrices[i];
            cr_assert(!loaded->numbers[i] && W.type == loaded->weights &&
                      W.out == parameter->shape[0] && W.in == in);
            matrix_columns(numbers, W, 0, in);
        } else {
            memcpy(numbers, loaded->numbers[i],
                   parameter->count * sizeof *numbers);
        }
        compare_bits(name.text, numbers, wanted->numbers[i], parameter->count);
        free(numbers);
    }
    enum { LENGTH = 7 };
    Random random = random_from_seed(5);
    int32_t *tokens = random_tokens(&random, &wanted->config, LENGTH);
    size_t count = LENGTH * config_padded_vocab_size(&wanted->config);
    float *one = new_floats(count), *other = new_floats(count);
    feed_alone(wanted, tokens, LENGTH, one, NULL);
    feed_alone(loaded, tokens, LENGTH, other, NULL);
    compare(what, other, one, count,
            (Tolerance){.absolute = 1e-5, .relative = 1e-5});
    free(tokens), free(one), free(other);
}

// The upper halves of float32 numbers that are no more than that; free().
static uint16_t *halves(const float *numbers, size_t count) {
    uint16_t *upper = malloc(count * sizeof *upper + 1);
    cr_assert(upper);
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &numbers[i], sizeof bits);
        upper[i] = (uint16_t)(bits >> 16);
    }
    return upper;
}

// A checkpoint in which every matrix is BF16; its numbers begin after so many
// spaces.
static const char *half_checkpoint(const Model *model, size_t spaces) {
    Tensor *tensors = toy_tensors(model);
    for (size_t i = 0; i < model->n_parameters; i++)
        if (parameter_is_matrix(model->parameters[i].role)) {
            tensors[i].type = TENSOR_BF16;
            tensors[i].data = halves(model->numbers[i], tensors[i].count);
        }
    const char *path =
        toy_checkpoint("half", &model->config, tensors, model->n_parameters);
    shift_numbers(label("%s/model.safetensors", path).text, spaces);
    for (size_t i = 0; i < model->n_parameters; i++)
        if (tensors[i].type == TENSOR_BF16)
            free((void *)(uintptr_t)tensors[i].data);
    free(tensors);
    return path;
}

Test(checkpoint, matrices_are_kept_in_fewer_bits) {
    Random random = random_from_seed(8);
    for (uint64_t seed = 0; seed < 10; seed++) {
        Config config = seed ? random_config(&random) : toy_config();
        for (int type = MATRIX_BF16; type <= MATRIX_INT8; type++) {
            Model model, loaded;
            Error err;
            toy_model(&model, &config, seed);
            check_ok(model_save(&model, scratch("model"), &err), &err);
            load_as(&loaded, scratch("model"), (MatrixType)type);
            round_matrices(&model, (MatrixType)type);
            check_kept(label("seed %llu, %s", (unsigned long long)seed,
                             matrix_type_name((MatrixType)type))
                           .text,
                       &loaded, &model);
            model_free(&loaded);
            model_free(&model);
        }
    }
}

// bf16 from a file of bf16 stays there, where its two bytes are aligned.
Test(checkpoint, bf16_stays_in_the_file) {
    Config config = toy_config();
    for (size_t spaces = 0; spaces < 4; spaces++) {
        Model model, loaded;
        toy_model(&model, &config, 1);
        round_matrices(&model, MATRIX_BF16);
        load_as(&loaded, half_checkpoint(&model, spaces), MATRIX_BF16);
        check_kept("bf16 from bf16", &loaded, &model);
        const void *bytes = loaded.file.view.bytes,
                   *end = loaded.file.view.bytes + loaded.file.view.size;
        for (size_t i = 0; i < loaded.n_parameters; i++) {
            const void *numbers = loaded.matrices[i].numbers;
            if (!numbers)
                continue;
            bool inside = numbers >= bytes && numbers < end;
            cr_assert_eq(inside, spaces % 2 == 0, "%s, %zu spaces",
                         loaded.parameters[i].name, spaces);
        }
        model_free(&loaded);

        // From there to int8 it is rounded a second time.
        load_as(&loaded, half_checkpoint(&model, spaces), MATRIX_INT8);
        round_matrices(&model, MATRIX_INT8);
        check_kept("int8 from bf16", &loaded, &model);
        model_free(&loaded);
        model_free(&model);
    }
}

// F16 has as many bytes, but other bits.
Test(checkpoint, f16_is_no_bf16) {
    Config config = toy_config();
    Model model, loaded;
    toy_model(&model, &config, 1);
    size_t most = parameter_total(&config);
    uint16_t *ones = malloc(most * sizeof *ones);
    cr_assert(ones);
    for (size_t i = 0; i < most; i++)
        ones[i] = 0x3c00;
    Tensor *tensors = toy_tensors(&model);
    for (size_t i = 0; i < model.n_parameters; i++) {
        tensors[i].type = TENSOR_F16;
        tensors[i].data = ones;
    }
    load_as(&loaded,
            toy_checkpoint("f16", &config, tensors, model.n_parameters),
            MATRIX_BF16);
    float first;
    matrix_columns(&first, matrix_rows(loaded.embedding, 1, 1), 2, 1);
    compare_number("a weight", 0, first, 1, 0);
    free(ones), free(tensors);
    model_free(&loaded);
    model_free(&model);
}

Test(checkpoint, int8_has_no_place_for_nan) {
    static const float odd[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        Config config = toy_config();
        Model model, loaded;
        Error err;
        size_t n;
        const char *name = "backbone.layers.1.mixer.x_proj.weight";
        toy_model(&model, &config, 1);
        toy_tensor(&model, name, &n)[n - 2] = odd[i];
        const char *path = scratch("model");
        check_ok(model_save(&model, path, &err), &err);
        check_refused(path, model_load(&loaded, path, MATRIX_INT8, &err), &err,
                      label("%s/model.safetensors: %s: ", path, name).text,
                      label("wanted finite numbers for int8, found %g at "
                            "index %zu",
                            (double)odd[i], n - 2)
                          .text);

        // bf16 has one, and whoever computes with it is told.
        load_as(&loaded, path, MATRIX_BF16);
        check_refused(path, model_check_finite(&loaded, &err), &err,
                      label("%s/model.safetensors: %s: ", path, name).text,
                      label("wanted finite numbers, found %g at index %zu",
                            (double)odd[i], n - 2)
                          .text);
        model_free(&loaded);
        model_free(&model);
    }
}

// What is no matrix may be anything until it is computed with.
Test(checkpoint, int8_asks_matrices_only) {
    Config config = toy_config();
    Model model, loaded;
    Error err;
    size_t n;
    toy_model(&model, &config, 1);
    *toy_tensor(&model, "backbone.norm_f.weight", &n) = NAN;
    check_ok(model_save(&model, scratch("model"), &err), &err);
    load_as(&loaded, scratch("model"), MATRIX_INT8);
    model_free(&loaded);
    model_free(&model);
}

// The toy's tensors, tied or not, with room for one more.
static Tensor *tensors_and_one(Model *model, bool tied) {
    Config config = toy_config();
    config.tie_embeddings = tied;
    toy_model(model, &config, 2);
    Tensor *tensors = toy_tensors(model);
    tensors = realloc(tensors, (model->n_parameters + 1) * sizeof *tensors);
    cr_assert(tensors);
    return tensors;
}

Test(checkpoint, the_embedding_has_two_names) {
    Model model, loaded;
    Tensor *tensors = tensors_and_one(&model, true);
    size_t n = model.n_parameters;
    tensors[0].name = "backbone.embedding.weight";
    load(&loaded, toy_checkpoint("original", &model.config, tensors, n));
    check_same(&loaded, &model);
    model_free(&loaded);

    // Of which only one may be there.
    tensors[n] = tensors[0];
    tensors[n].name = "backbone.embeddings.weight";
    refuses(toy_checkpoint("both", &model.config, tensors, n + 1),
            "model.safetensors", "backbone.embedding.weight: wanted only");
    model_free(&model);
    free(tensors);
}

Test(checkpoint, a_tied_head_may_be_there_twice) {
    Model model, loaded;
    Tensor *tensors = tensors_and_one(&model, true);
    size_t n = model.n_parameters;
    tensors[n] = tensors[0];
    tensors[n].name = "lm_head.weight";
    load(&loaded, toy_checkpoint("tied", &model.config, tensors, n + 1));
    check_same(&loaded, &model);
    check_same_logits(&loaded, &model);
    cr_assert_eq(loaded.lm_head.numbers, loaded.embedding.numbers);
    model_free(&loaded);

    // It is the embedding, so it has its shape.
    tensors[n].rank = 1;
    tensors[n].shape[0] = tensors[n].count;
    refuses(toy_checkpoint("tied", &model.config, tensors, n + 1),
            "model.safetensors", "lm_head.weight: wanted shape (16, 12)");
    model_free(&model);
    free(tensors);
}

Test(checkpoint, an_untied_head_must_be_there) {
    Model model;
    Tensor *tensors = tensors_and_one(&model, false);
    size_t n = model.n_parameters;
    refuses(toy_checkpoint("headless", &model.config, tensors, n - 1),
            "model.safetensors", "lm_head.weight: wanted this tensor");
    model_free(&model);
    free(tensors);
}

// The original format's config.json, whose vocabulary is padded here.
Test(checkpoint, the_original_format_is_read) {
    Model model, loaded;
    Tensor *tensors = tensors_and_one(&model, true);
    size_t n = model.n_parameters;
    tensors[0].name = "backbone.embedding.weight";
    tensors[n] = tensors[0];
    tensors[n].name = "lm_head.weight";
    const char *path =
        toy_checkpoint("original", &model.config, tensors, n + 1);
    scratch_text("original/config.json",
                 "{\"d_model\": 12, \"n_layer\": 2, \"vocab_size\": 11,"
                 "\"ssm_cfg\": {\"d_state\": 5, \"expand\": 3, \"dt_rank\": 2,"
                 "\"bias\": true}, \"rms_norm\": true,"
                 "\"residual_in_fp32\": true, \"fused_add_norm\": true,"
                 "\"pad_vocab_size_multiple\": 8}");
    load(&loaded, path);
    check_same(&loaded, &model);
    check_same_logits(&loaded, &model);

    // Written in the other format it is the same model.
    Error err;
    Model again;
    check_ok(model_save(&loaded, scratch("hf"), &err), &err);
    load(&again, scratch("hf"));
    check_same(&again, &model);
    model_free(&again);
    model_free(&loaded);
    model_free(&model);
    free(tensors);
}

Test(checkpoint, files_beside_the_model_are_noticed) {
    Config config = toy_config();
    Model model;
    Error err;
    toy_model(&model, &config, 1);
    const char *path = scratch("model");
    check_ok(model_save(&model, path, &err), &err);
    model_free(&model);
    scratch_text("model/model.safetensors.index.json", "{}");
    scratch_text("model/README.md", "A model.");
    load(&model, path);
    cr_assert(!model.tokenizer_file);
    model_free(&model);
    scratch_text("model/tokenizer.json", "{}");
    load(&model, path);
    cr_assert(model.tokenizer_file);
    model_free(&model);

    cr_assert_eq(unlink(scratch("model/model.safetensors")), 0);
    refuses(path, "model.safetensors",
            "wanted one file of weights, found "
            "shards");
}

// --- Writing -----------------------------------------------------------------

Test(checkpoint, is_written_for_transformers) {
    Config config = toy_config();
    Model model;
    Error err;
    Safetensors file;
    toy_model(&model, &config, 1);
    check_ok(model_save(&model, scratch("model"), &err), &err);
    const char *path = scratch("model/model.safetensors");
    check_ok(safetensors_open(&file, path, &err), &err);
    cr_assert_eq(file.count, model.n_parameters);
    cr_assert_str_eq(safetensors_metadata(&file, "format"), "pt");
    for (size_t i = 0; i < file.count; i++)
        cr_assert(tensor_in_place(&file.tensors[i]), "%s is not aligned",
                  file.tensors[i].name);
    cr_assert(safetensors_find(&file, "backbone.embeddings.weight"));
    safetensors_close(&file);
    model_free(&model);
}

static void refuses_to_save(const char *directory, const char *begins,
                            const char *part) {
    Config config = toy_config();
    Model model;
    Error err;
    toy_model(&model, &config, 1);
    check_refused(directory, model_save(&model, directory, &err), &err, begins,
                  part);
    model_free(&model);
}

Test(checkpoint, is_written_whole_or_not_at_all) {
    refuses_to_save(scratch("no/parent"), scratch("no/parent"), "No such file");
    scratch_text("a file", "text");
    refuses_to_save(scratch("a file"), scratch("a file"),
                    "wanted to make this directory");
    refuses_to_save("/dev/null", "/dev/null", "wanted to make this directory");
    cr_assert_eq(scratch_entries(""), 1);

    // Where the weights cannot be written there is no configuration either.
    Error err;
    check_ok(directory_make(scratch("model"), &err), &err);
    const char *weights = scratch("model/model.safetensors");
    check_ok(directory_make(weights, &err), &err);
    refuses_to_save(scratch("model"), weights, "found a directory");
    cr_assert_eq(scratch_entries("model"), 1);
}

Test(checkpoint, long_paths_are_refused) {
    static char path[PATH_BYTES + 100];
    for (size_t length = PATH_BYTES - 30; length < PATH_BYTES + 90; length++) {
        memset(path, 'x', length);
        path[length] = '\0';
        Model model;
        Error err;
        check_refused("a long path", model_load(&model, path, MATRIX_F32, &err),
                      &err, "xxxx", "");
        refuses_to_save(path, "xxxx", "");
    }
}
