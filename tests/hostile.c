// Files that are broken or lie: each is refused with one line that names it,
// and says what was wanted and what was found. Nothing leaks and nothing
// crashes.
#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoint.h"
#include "compare.h"
#include "config_json.h"
#include "embedded_model.h"
#include "failing_memory.h"
#include "scratch.h"
#include "toy.h"

TestSuite(hostile, .init = scratch_begin, .fini = scratch_end);

// --- The bench ---------------------------------------------------------------

// Bytes that are no safetensors file.
static void refuses_bytes(const char *what, const void *bytes, size_t size,
                          const char *part) {
    Safetensors file;
    Error err;
    size_t live = memory_live();
    bool ok = safetensors_read(&file, "a file", bytes, size, &err);
    check_refused(what, ok, &err, "a file: ", part);
    cr_assert_eq(memory_live(), live, "%s: leaked", what);
}

// A file of this header, and so many bytes of tensors.
static void refuses(const char *header, size_t data_size, const char *part) {
    size_t size;
    unsigned char *bytes = tensors_file(header, NULL, data_size, &size);
    refuses_bytes(header, bytes, size, part);
    free(bytes);
}

static void accepts(const char *header, size_t data_size) {
    size_t size;
    unsigned char *bytes = tensors_file(header, NULL, data_size, &size);
    Safetensors file;
    Error err;
    if (!safetensors_read(&file, "a file", bytes, size, &err))
        cr_assert_fail("wanted this read: %s\nfound: %s", header, err.text);
    safetensors_close(&file);
    free(bytes);
}

// Two tensors of 8 and 4 bytes, which the tests below make wrong.
static const char two[] =
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
    "\"b\":{\"dtype\":\"F16\",\"shape\":[1,2],\"data_offsets\":[8,12]}}";
enum { TWO_BYTES = 12 };

static void refuses_two(const char *find, const char *by, const char *part) {
    char *header = replaced(two, find, by);
    refuses(header, TWO_BYTES, part);
    free(header);
}

Test(hostile, the_bench_begins_with_files_that_are_right) {
    accepts(two, TWO_BYTES);
    accepts("{}", 0);
}

// --- Sizes -------------------------------------------------------------------

Test(hostile, a_file_too_short_for_its_length) {
    for (size_t size = 0; size < 8; size++) {
        unsigned char *bytes = calloc(size + 1, 1);
        refuses_bytes("short", size ? bytes : NULL, size,
                      "wanted a safetensors file, found");
        free(bytes);
    }
}

Test(hostile, lengths_that_lie) {
    const uint64_t lies[] = {0,
                             1,
                             sizeof two - 2,
                             sizeof two,
                             sizeof two + TWO_BYTES - 1,
                             sizeof two + TWO_BYTES,
                             100000000,
                             100000001,
                             UINT32_MAX,
                             (uint64_t)1 << 32,
                             (uint64_t)1 << 62,
                             (uint64_t)1 << 63,
                             UINT64_MAX - 8,
                             UINT64_MAX - 7,
                             UINT64_MAX};
    size_t size;
    unsigned char *bytes = tensors_file(two, NULL, TWO_BYTES, &size);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        memcpy(bytes, &lies[i], sizeof lies[i]);
        Label what = label("a length of %llu", (unsigned long long)lies[i]);
        // Nothing is read that the file does not have.
        refuses_bytes(what.text, bytes, size,
                      lies[i] > size - 8 ? "header: wanted at most" : "wanted");
    }
    free(bytes);
}

Test(hostile, a_header_longer_than_any_may_be) {
    const size_t most = 100000000;
    uint64_t length = most + 1;
    size_t size = sizeof length + most + 2;
    unsigned char *bytes = calloc(size, 1);
    memcpy(bytes, &length, sizeof length);
    refuses_bytes("too long", bytes, size,
                  "header: wanted at most 100000000 bytes, found a length of "
                  "100000001");
    free(bytes);
}

Test(hostile, a_header_that_begins_with_a_blank) {
    refuses(" {}", 0, "header: wanted { in its first byte, found 0x20");
    refuses("\n{}", 0, "header: wanted { in its first byte, found 0x0a");
}

Test(hostile, a_file_cut_anywhere) {
    size_t size;
    unsigned char *bytes = tensors_file(two, NULL, TWO_BYTES, &size);
    for (size_t cut = 0; cut < size; cut++) {
        unsigned char *exact = malloc(cut);
        if (cut > 0)
            memcpy(exact, bytes, cut);
        refuses_bytes(label("cut at %zu", cut).text, cut ? exact : NULL, cut,
                      "wanted");
        free(exact);
    }
    free(bytes);
}

// The default model cut within its header, and within its numbers.
Test(hostile, a_real_file_cut_anywhere) {
    size_t size = (size_t)embedded_weights_size;
    uint64_t header;
    memcpy(&header, embedded_weights, sizeof header);
    for (size_t cut = 0; cut < header + 64; cut++)
        refuses_bytes(label("cut at %zu", cut).text, embedded_weights, cut,
                      "wanted");
    for (size_t cut = size - 1; cut > header + 8; cut -= cut / 40 + 1)
        refuses_bytes(label("cut at %zu", cut).text, embedded_weights, cut,
                      "wanted");
}

// The length agrees with a header that ends too early.
Test(hostile, a_real_header_cut_anywhere) {
    uint64_t header;
    memcpy(&header, embedded_weights, sizeof header);
    for (size_t cut = 0; cut < header; cut++) {
        char *text = malloc(cut + 1);
        memcpy(text, embedded_weights + 8, cut);
        text[cut] = '\0';
        // Behind the last brace there are only spaces.
        if (!strstr((const char *)text, "}}"))
            refuses(text, 100, "wanted");
        free(text);
    }
}

Test(hostile, bytes_that_belong_to_no_tensor) {
    for (size_t more = 1; more < 10; more++)
        refuses(two, TWO_BYTES + more, "wanted 12 bytes of tensors, found");
    refuses("{}", 1, "wanted 0 bytes of tensors, found 1");
    for (size_t fewer = 1; fewer <= TWO_BYTES; fewer++)
        refuses(two, TWO_BYTES - fewer, "data_offsets: wanted");
}

// --- Headers -----------------------------------------------------------------

Test(hostile, headers_that_are_no_object) {
    refuses("", 0, "wanted JSON");
    refuses("[]", 0, "wanted a JSON object, found an array");
    refuses("[{\"a\":1}]", 0, "wanted a JSON object, found an array");
    refuses("\"a\"", 0, "wanted a JSON object");
    refuses("null", 0, "wanted a JSON object, found null");
    refuses("{", 0, "wanted JSON");
    refuses("{\"a\":}", 0, "wanted JSON");
    refuses("PK\003\004 a zip file, as pytorch_model.bin is one", 100,
            "wanted JSON");
    refuses("\x80\x02}q\x01", 0, "wanted UTF-8, found 0x80");
    refuses("{\"\xff\":1}", 0, "byte 2: wanted UTF-8, found 0xff");
}

Test(hostile, entries_that_are_no_tensor) {
    const char *const entries[] = {"1",  "null", "true", "\"F32\"",
                                   "[]", "{}",   "[1]",  "{\"dtype\":\"F32\"}"};
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        refuses(label("{\"a\":%s}", entries[i]).text, 0,
                "a: wanted a dtype and a shape");
}

Test(hostile, names_that_stand_twice) {
    refuses_two("\"b\"", "\"a\"", "a: wanted this key once, found it twice");
    refuses_two("\"b\"", "\"\\u0061\"", "a: wanted this key once");
    refuses_two("\"dtype\":\"F16\"", "\"dtype\":\"F16\",\"dtype\":\"F16\"",
                "dtype: wanted this key once");
    refuses("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0,
            "k: wanted this key once");
    refuses("{\"__metadata__\":{},\"__metadata__\":{}}", 0,
            "__metadata__: wanted this key once");
}

// The key of the metadata has small letters; any other is a tensor's.
Test(hostile, metadata_in_capitals_is_a_tensor) {
    refuses("{\"__METADATA__\":{\"format\":\"pt\"}}", 0,
            "__METADATA__: wanted a dtype and a shape");
    refuses("{\"__metadata__\":{},\"__METADATA__\":{}}", 0,
            "__METADATA__: wanted a dtype and a shape");
    accepts("{\"__METADATA__\":{\"dtype\":\"F32\",\"shape\":[],"
            "\"data_offsets\":[0,4]}}",
            4);
    accepts("{\"__METADATA__\":{\"dtype\":\"F32\",\"shape\":[],"
            "\"data_offsets\":[0,4]},\"__metadata__\":{\"format\":\"pt\"}}",
            4);
}

// The format wants text under every key of the metadata.
Test(hostile, metadata_that_is_no_text) {
    const char *const wrong[] = {"1",
                                 "null",
                                 "[]",
                                 "[\"a\"]",
                                 "\"a\"",
                                 "{\"a\":1}",
                                 "{\"a\":null}",
                                 "{\"a\":{}}",
                                 "{\"a\":\"b\",\"c\":[]}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        refuses(label("{\"__metadata__\":%s}", wrong[i]).text, 0, "wanted");
}

Test(hostile, types_that_are_unknown) {
    const char *const wrong[] = {"\"F8_E4M3\"", "\"f32\"",   "\"\"",
                                 "\"BOOL\"",    "\"U8\"",    "\"I32\"",
                                 "\"F32 \"",    "\"F32\\n\""};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        refuses_two("\"F16\"", wrong[i],
                    "b: dtype: wanted F32, F16, BF16, F64 or I64, found ");
    const char *const no_text[] = {"1", "null", "[\"F16\"]", "{}", "true"};
    for (size_t i = 0; i < sizeof no_text / sizeof *no_text; i++)
        refuses_two("\"F16\"", no_text[i], "b: wanted a dtype and a shape");
    refuses_two("\"dtype\"", "\"DTYPE\"", "a: wanted a dtype and a shape");
}

Test(hostile, shapes_that_are_wrong) {
    const char *const numbers[] = {
        "-1",    "1.5", "1e300", "1e999", "\"2\"",
        "null",  "[2]", "{}",    "true",  "9007199254740994",
        "-1e999"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        refuses_two("[1,2]", label("[1,%s]", numbers[i]).text,
                    "b: shape: wanted whole numbers");
    const char *const no_lists[] = {"2", "null", "\"[2]\"", "{\"x\":2}",
                                    "true"};
    for (size_t i = 0; i < sizeof no_lists / sizeof *no_lists; i++)
        refuses_two("[1,2]", no_lists[i], "b: wanted a dtype and a shape");
    refuses_two("[1,2]", "[1,1,1,1,1,1,1,1,2]",
                "b: shape: wanted at most 8 sizes, found 9");
    refuses_two("[1,2]", "[]", "wanted 2 bytes for F16 of shape (), found 4");
    refuses_two("[1,2]", "[3]", "wanted 6 bytes for F16 of shape (3), found 4");
    refuses_two("[1,2]", "[0]", "wanted 0 bytes for F16 of shape (0), found 4");
}

// Products that no 64 bits hold, and those that would be right were they cut.
Test(hostile, shapes_whose_product_overflows) {
    const char *part = "b: shape: wanted fewer than 2^64 bytes, found more";
    refuses_two("[1,2]", "[4294967296,4294967296]", part);
    refuses_two("[1,2]", "[9007199254740992,9007199254740992]", part);
    // 2^33 * 2^30 * 2^2 * 2 bytes is 2^66; and 2 + 2^64 bytes.
    refuses_two("[1,2]", "[8589934592,1073741824,4]", part);
    refuses_two("[1,2]", "[4503599627370496,2048]", part);
    // A size of 0 behind an overflow does not save it; before it there is none.
    refuses_two("[1,2]", "[9007199254740992,9007199254740992,0]", part);
    refuses_two("[1,2]", "[0,9007199254740992,9007199254740992]",
                "wanted 0 bytes");
    // 2^63 bytes are a number, but not a file's.
    refuses_two("[1,2]", "[1048576,1099511627776,4]",
                "wanted 9223372036854775");
}

Test(hostile, offsets_that_are_wrong) {
    const char *part = "data_offsets: wanted a begin and an end within 12 "
                       "bytes";
    const char *const wrong[] = {"[]",
                                 "[8]",
                                 "[8,12,12]",
                                 "12",
                                 "null",
                                 "\"8,12\"",
                                 "{}",
                                 "{\"begin\":8,\"end\":12}",
                                 "[8,null]",
                                 "[\"8\",12]",
                                 "[[8],12]",
                                 "[8,13]",
                                 "[13,13]",
                                 "[12,8]",
                                 "[-1,12]",
                                 "[8,-12]",
                                 "[8.5,12]",
                                 "[8,12.5]",
                                 "[8,1e300]",
                                 "[1e300,1e300]",
                                 "[8,1e999]",
                                 "[8,18446744073709551612]",
                                 "[18446744073709551612,12]",
                                 "[true,12]"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        refuses_two("[8,12]", wrong[i], part);
    refuses_two(",\"data_offsets\":[8,12]", "", part);
    refuses_two("\"data_offsets\":[8", "\"DATA_OFFSETS\":[8", part);
}

Test(hostile, bytes_that_overlap_or_are_left_out) {
    const char *begins = "wanted its bytes to begin at";
    refuses_two("[8,12]", "[4,8]", begins);
    refuses_two("[8,12]", "[0,4]", begins);
    refuses_two("[0,8]", "[4,12]", begins);
    refuses_two("[1,2],\"data_offsets\":[8,12]", "[1,0],\"data_offsets\":[8,8]",
                "wanted 8 bytes of tensors");
    refuses_two("[2],\"data_offsets\":[0,8]", "[1],\"data_offsets\":[0,4]",
                begins);
    refuses_two("[2],\"data_offsets\":[0,8]", "[0],\"data_offsets\":[3,3]",
                begins);
    // A tensor of no bytes may stand between two others.
    accepts("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
            "\"n\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[4,4]},"
            "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
            8);
}

// --- Names -------------------------------------------------------------------

Test(hostile, names_that_steer_a_terminal) {
    const char *const names[] = {
        "\\n",   "\\r\\n",   "\\u001b[2J", "\\u0007", "\\b\\b\\b",   "\\u007f",
        "a\\tb", "\x1b[31m", "\x01\x02",   "\\u0085", "\xc2\x9b[31m"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        Label header = label("{\"%s\":1}", names[i]);
        refuses(header.text, 0, "wanted");
        // The control characters of ISO 8859-1, U+0080 to U+009F, steer one
        // too.
        Safetensors file;
        Error err;
        size_t size;
        unsigned char *bytes = tensors_file(header.text, NULL, 0, &size);
        safetensors_read(&file, "a file", bytes, size, &err);
        for (const char *c = err.text; (c = strchr(c, '\xc2')); c++)
            cr_assert((unsigned char)c[1] >= 0xa0, "found U+%04X in a line",
                      (unsigned)(unsigned char)c[1]);
        free(bytes);
    }
}

Test(hostile, names_with_an_end_of_their_own) {
    refuses_two("\"b\"", "\"b\\u0000c\"", "wanted");
    refuses_bytes("NUL", "\x0a\0\0\0\0\0\0\0{\"a\0\":{}}", 18, "wanted");
}

Test(hostile, names_of_any_length) {
    for (size_t n = 1; n <= 1000000; n *= 10) {
        char *name = malloc(n + 1), *header = malloc(n + 20);
        memset(name, 'n', n);
        name[n] = '\0';
        sprintf(header, "{\"%s\":1}", name);
        refuses(header, 0, n <= 100 ? "wanted a dtype and a shape" : "nnnn");
        sprintf(header, "{\"%s\":1", name);
        refuses(header, 0, "wanted JSON");
        free(header);
        header = replaced(two, "\"b\"", label("\"%.100s\"", name).text);
        accepts(header, TWO_BYTES);
        free(header);
        header = malloc(n + sizeof two);
        char *rest = strstr(two, "\"b\"") + 2;
        sprintf(header, "%.*sb%s%s", (int)(rest - two - 1), two, name, rest);
        accepts(header, TWO_BYTES);
        free(header);
        free(name);
    }
}

Test(hostile, depth_without_end) {
    enum { DEPTH = 100000 };
    char *header = malloc(2 * DEPTH + 100);
    char *end = header + sprintf(header, "{\"a\":{\"dtype\":");
    memset(end, '[', DEPTH);
    memset(end + DEPTH, ']', DEPTH);
    strcpy(end + 2 * DEPTH, "}}");
    refuses(header, 0, "wanted JSON");
    end[DEPTH] = '\0';
    refuses(header, 0, "wanted JSON");
    free(header);
}

// --- Files -------------------------------------------------------------------

// A good model in the directory "model"; returns its path.
static const char *good_model(Model *model) {
    Config config = toy_config();
    Error err;
    toy_model(model, &config, 1);
    check_ok(model_save(model, scratch("model"), &err), &err);
    return scratch("model");
}

static void refuses_model(const char *what, const char *begins,
                          const char *part) {
    Model model;
    Error err;
    size_t live = memory_live();
    bool ok = model_load(&model, scratch("model"), MATRIX_F32, &err);
    check_refused(what, ok, &err, begins, part);
    cr_assert_eq(memory_live(), live, "%s: leaked", what);
}

// Neither file of a model may be missing, empty, or no file at all.
Test(hostile, what_is_no_file, .timeout = 20) {
    const char *const names[] = {"model/config.json",
                                 "model/model.safetensors"};
    Model model;
    Error err;
    for (size_t i = 0; i < 2; i++) {
        good_model(&model);
        model_free(&model);
        const char *path = scratch(names[i]);
        cr_assert_eq(unlink(path), 0);
        refuses_model("missing", path, "No such file");
        scratch_text(names[i], "");
        refuses_model("empty", path, "wanted");
        cr_assert_eq(unlink(path), 0);
        check_ok(directory_make(path, &err), &err);
        refuses_model("a directory", path, "found a directory");
        cr_assert_eq(rmdir(path), 0);
        cr_assert_eq(mkfifo(path, 0600), 0);
        refuses_model("a pipe", path, "wanted a regular file");
        cr_assert_eq(unlink(path), 0);
        cr_assert_eq(symlink("/dev/zero", path), 0);
        refuses_model("a device", path, "wanted a regular file");
        cr_assert_eq(unlink(path), 0);
        cr_assert_eq(symlink(path, path), 0);
        refuses_model("a link to itself", path, "wanted to read this file");
        cr_assert_eq(unlink(path), 0);
    }
}

Test(hostile, what_is_no_directory) {
    Model model;
    Error err;
    scratch_text("a file", "{}");
    const char *const paths[] = {scratch("missing"), scratch("a file"),
                                 "/dev/null", ""};
    for (size_t i = 0; i < 4; i++)
        check_refused(paths[i], model_load(&model, paths[i], MATRIX_F32, &err),
                      &err, paths[i], "config.json: wanted to read this file");
}

// Each file's bytes in the place of the other's.
Test(hostile, files_that_changed_places) {
    const char *const names[] = {"model/config.json",
                                 "model/model.safetensors"};
    Model model;
    good_model(&model);
    model_free(&model);
    size_t size[2];
    char *bytes[2];
    for (size_t i = 0; i < 2; i++)
        bytes[i] = read_bytes(scratch(names[i]), &size[i]);
    scratch_write(names[1], bytes[0], size[0]);
    refuses_model("configuration as weights", scratch(names[1]),
                  "header: wanted");
    scratch_write(names[0], bytes[1], size[1]);
    refuses_model("weights as configuration", scratch(names[0]), "wanted");
    free(bytes[0]);
    free(bytes[1]);
}

// --- Tensors that do not fit -------------------------------------------------

// The good model with one tensor changed is refused, and the line names it.
static void refuses_changed(const Model *model, const Tensor *tensors,
                            size_t count, const char *name, const char *part) {
    toy_checkpoint("model", &model->config, tensors, count);
    Label begins = label("%s: %s: ", scratch("model/model.safetensors"), name);
    refuses_model(name, begins.text, part);
}

Test(hostile, tensors_that_are_missing) {
    Model model;
    good_model(&model);
    Tensor *tensors = toy_tensors(&model);
    size_t n = model.n_parameters;
    for (size_t i = 0; i < n; i++) {
        Tensor missing = tensors[i];
        tensors[i] = tensors[n - 1];
        refuses_changed(&model, tensors, n - 1, missing.name,
                        "wanted this tensor, found none");
        tensors[i] = missing;
    }
    free(tensors);
    model_free(&model);
}

Test(hostile, tensors_of_another_shape) {
    Model model;
    good_model(&model);
    Tensor *tensors = toy_tensors(&model);
    size_t n = model.n_parameters;
    for (size_t i = 0; i < n; i++) {
        // As many numbers, in another shape.
        Tensor right = tensors[i];
        tensors[i].shape[tensors[i].rank++] = 1;
        refuses_changed(&model, tensors, n, right.name, "wanted shape (");
        tensors[i] = right;
        tensors[i].rank = 1;
        tensors[i].shape[0] = right.count;
        if (right.rank > 1)
            refuses_changed(&model, tensors, n, right.name, "wanted shape (");
        // Turned round, which a square matrix would survive.
        tensors[i] = right;
        tensors[i].shape[0] = right.shape[right.rank - 1];
        tensors[i].shape[right.rank - 1] = right.shape[0];
        if (right.rank > 1)
            refuses_changed(&model, tensors, n, right.name, "wanted shape (");
        // One row less.
        tensors[i] = right;
        tensors[i].count -= right.count / right.shape[0];
        tensors[i].shape[0]--;
        refuses_changed(&model, tensors, n, right.name, "wanted shape (");
        tensors[i] = right;
    }
    free(tensors);
    model_free(&model);
}

Test(hostile, tensors_of_whole_numbers) {
    Model model;
    good_model(&model);
    Tensor *tensors = toy_tensors(&model);
    double *data = new_doubles(parameter_total(&model.config));
    for (size_t i = 0; i < model.n_parameters; i++) {
        Tensor right = tensors[i];
        tensors[i].type = TENSOR_I64;
        tensors[i].data = data;
        refuses_changed(&model, tensors, model.n_parameters, right.name,
                        "wanted real numbers, found I64");
        tensors[i] = right;
    }
    free(data);
    free(tensors);
    model_free(&model);
}

Test(hostile, tensors_that_nobody_wants) {
    const char *const names[] = {"backbone.layers.2.norm.weight",
                                 "backbone.layers.0.mixer.A_log2",
                                 "backbone.layers.00.norm.weight",
                                 "A",
                                 "",
                                 "zzz",
                                 "backbone.embedding.weight",
                                 "BACKBONE.NORM_F.WEIGHT"};
    Model model;
    good_model(&model);
    size_t n = model.n_parameters;
    Tensor *tensors = toy_tensors(&model);
    tensors = realloc(tensors, (n + 1) * sizeof *tensors);
    cr_assert(tensors);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        tensors[n] = tensors[0];
        tensors[n].name = names[i];
        refuses_changed(&model, tensors, n + 1, names[i],
                        "wanted only tensors of this configuration");
    }
    free(tensors);
    model_free(&model);
}

// --- Configurations that do not fit ------------------------------------------

// Each size of the configuration but the right one.
Test(hostile, a_configuration_of_another_model) {
    Model model;
    good_model(&model);
    Config right = model.config;
    Tensor *tensors = toy_tensors(&model);
    size_t n = model.n_parameters;
    const char *weights = scratch("model/model.safetensors");
    for (int change = 0; change < 12; change++) {
        Config c = right;
        c.d_model += change == 0;
        c.n_layer += change == 1;
        c.n_layer -= change == 2;
        c.vocab_size += change == 3 ? 8 : 0;
        c.d_state += change == 4;
        c.d_conv += change == 5;
        c.expand += change == 6;
        c.dt_rank += change == 7;
        c.conv_bias ^= change == 8;
        c.bias ^= change == 9;
        c.tie_embeddings ^= change == 10;
        c.pad_vocab_size_multiple = change == 11 ? 1 : 8;
        toy_checkpoint("model", &c, tensors, n);
        // A head beside a tied embedding is no mistake.
        if (change == 10)
            continue;
        refuses_model(label("change %d", change).text, weights, "wanted");
    }
    free(tensors);
    model_free(&model);
}

// The configuration claims what no machine has; the file shows it wrong before
// any memory is taken.
Test(hostile, a_configuration_of_terabytes) {
    Model model;
    good_model(&model);
    model_free(&model);
    scratch_text("model/config.json",
                 "{\"d_model\": 1048576, \"n_layer\": 4096,"
                 "\"vocab_size\": 11, \"ssm_cfg\": {\"d_state\": 4096,"
                 "\"expand\": 64}}");
    refuses_model("terabytes", scratch("model/model.safetensors"),
                  "wanted shape (16, 1048576), found (16, 12)");
}

// --- Numbers that are none ---------------------------------------------------

// The good model with `number` as every number of its i-th tensor: it is
// loaded, and the first logits say which tensor is to blame. A number that
// leads to finite logits is no error.
static bool blames_tensor(const Model *model, size_t i, float number) {
    const Parameter *parameter = &model->parameters[i];
    Tensor *tensors = toy_tensors(model);
    float *wrong = new_floats(parameter->count);
    for (size_t k = 0; k < parameter->count; k++)
        wrong[k] = number;
    tensors[i].data = wrong;
    toy_checkpoint("model", &model->config, tensors, model->n_parameters);

    Model loaded;
    Error err;
    check_ok(model_load(&loaded, scratch("model"), MATRIX_F32, &err), &err);
    Session session;
    toy_session(&session, &loaded, 1, 4);
    float logits[16];
    const int32_t tokens[] = {1, 2, 3, 4, 5};
    bool ok = session_feed(&session, tokens, 5, logits, 1, &err);
    if (!ok) {
        Label begins = label("%s: %s: ", scratch("model/model.safetensors"),
                             parameter->name);
        check_refused(parameter->name, ok, &err, begins.text,
                      "wanted finite numbers, found ");
    }
    for (size_t k = 0; ok && k < 16; k++)
        cr_assert(isfinite(logits[k]), "%s: found no error, and a logit of %g",
                  parameter->name, (double)logits[k]);
    session_free(&session);
    model_free(&loaded);
    free(wrong);
    free(tensors);
    return !ok;
}

Test(hostile, weights_that_are_nan) {
    Model model;
    good_model(&model);
    for (size_t i = 0; i < model.n_parameters; i++)
        cr_assert(blames_tensor(&model, i, NAN), "%s: wanted NaN noticed",
                  model.parameters[i].name);
    model_free(&model);
}

// An infinite step or decay forgets everything, which is finite: so A_log, and
// what leads to delta, may pass. What adds up must not.
Test(hostile, weights_that_are_infinite) {
    Model model;
    good_model(&model);
    for (size_t i = 0; i < model.n_parameters; i++) {
        ParameterRole role = model.parameters[i].role;
        bool noticed = blames_tensor(&model, i, INFINITY);
        blames_tensor(&model, i, -INFINITY);
        if (role != PARAMETER_A_LOG)
            cr_assert(noticed, "%s: wanted infinity noticed",
                      model.parameters[i].name);
    }
    model_free(&model);
}

// --- Mutations ---------------------------------------------------------------

static volatile sig_atomic_t current_seed;

// A crash leaves its seed on stderr before it goes its way.
static void say_seed(int signal_number) {
    char line[] = "crashed at seed 00000000\n";
    for (int seed = current_seed, i = 23; i > 15; i--, seed /= 10)
        line[i] = (char)('0' + seed % 10);
    ssize_t written = write(STDERR_FILENO, line, sizeof line - 1);
    (void)written;
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void watch_crashes(void) {
    const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        signal(signals[i], say_seed);
}

// What mutations like to put in the place of something else.
static const char *const pieces[] = {"{",
                                     "}",
                                     "[",
                                     "]",
                                     ",",
                                     ":",
                                     "\"",
                                     "\\",
                                     "0",
                                     "-",
                                     ".",
                                     "e",
                                     "9",
                                     " ",
                                     "\n",
                                     "\xff",
                                     "\xc3",
                                     "\x01",
                                     "\\u0000",
                                     "\\ud800",
                                     "null",
                                     "true",
                                     "\"\"",
                                     "[]",
                                     "{}",
                                     "-1",
                                     "0.5",
                                     "1e300",
                                     "1e999",
                                     "4294967296",
                                     "9007199254740992",
                                     "18446744073709551615",
                                     "\"F16\"",
                                     "\"F64\"",
                                     "\"dtype\"",
                                     "\"shape\"",
                                     "__metadata__",
                                     "weight",
                                     "bias",
                                     "[[[[[[[["};
enum { N_PIECES = sizeof pieces / sizeof *pieces, MOST_GROWTH = 200 };

// The text with up to four changes; it has room for size + MOST_GROWTH bytes.
static size_t mutate(char *text, size_t size, Random *random) {
    for (size_t n = random_count(random, 1, 4); n > 0 && size > 0; n--) {
        size_t at = random_count(random, 0, size - 1);
        size_t some = random_count(random, 1, 12);
        some = some < size - at ? some : size - at;
        const char *piece = pieces[random_count(random, 0, N_PIECES - 1)];
        size_t length = strlen(piece), kind = random_count(random, 0, 5);
        if (kind == 0) {  // one bit
            text[at] ^= (char)(1 << random_count(random, 0, 7));
        } else if (kind == 1) {  // one byte
            text[at] = *piece;
        } else if (kind == 2) {  // some bytes gone
            memmove(text + at, text + at + some, size - at - some);
            size -= some;
        } else if (kind == 3) {  // some bytes twice
            memmove(text + at + some, text + at, size - at);
            size += some;
        } else {  // a piece put in, or put in the place of a number
            while (kind == 5 && at + 1 < size &&
                   !(text[at] >= '0' && text[at] <= '9'))
                at++;
            size_t out = kind == 5 ? 1 : 0;
            memmove(text + at + length, text + at + out, size - at - out);
            memcpy(text + at, piece, length);
            size += length - out;
        }
    }
    return size;
}

// Either read, and every number is where it may be read, or one line.
static void check_mutant(size_t seed, const unsigned char *bytes, size_t size) {
    Safetensors file;
    Error err;
    size_t live = memory_live();
    if (safetensors_read(&file, "a file", bytes, size, &err)) {
        for (size_t i = 0; i < file.count; i++) {
            const Tensor *tensor = &file.tensors[i];
            const unsigned char *data = tensor->data;
            cr_assert(data >= bytes && data <= bytes + size, "seed %zu", seed);
            float *numbers = new_floats(tensor->count);
            if (tensor_to_float(tensor, numbers))
                cr_assert(tensor->count <= size / 2, "seed %zu", seed);
            free(numbers);
        }
        safetensors_close(&file);
    } else {
        check_line(&err, "a file: ");
    }
    cr_assert_eq(memory_live(), live, "seed %zu: leaked", seed);
}

// The default model with a mutated header. The bytes end where their memory
// ends, so that an address sanitizer sees every step beyond them.
Test(hostile, mutated_headers, .timeout = 300) {
    watch_crashes();
    uint64_t header;
    memcpy(&header, embedded_weights, sizeof header);
    size_t data = (size_t)(embedded_weights_size - 8 - header);
    size_t room = 8 + header + MOST_GROWTH;
    unsigned char *bytes = malloc(room + data);
    char *text = malloc(header + MOST_GROWTH);
    memcpy(bytes + room, embedded_weights + 8 + header, data);
    for (size_t seed = 0; seed < 4000; seed++) {
        current_seed = (sig_atomic_t)seed;
        Random random = random_from_seed(seed);
        memcpy(text, embedded_weights + 8, header);
        uint64_t length = mutate(text, header, &random);
        unsigned char *begin = bytes + room - length - 8;
        memcpy(begin, &length, sizeof length);
        memcpy(begin + 8, text, length);
        check_mutant(seed, begin, 8 + length + data);
    }
    free(text);
    free(bytes);
}

// A small file, of which any byte may change: the length and the numbers too.
Test(hostile, mutated_files, .timeout = 300) {
    watch_crashes();
    for (size_t seed = 0; seed < 20000; seed++) {
        current_seed = (sig_atomic_t)seed;
        Random random = random_from_seed(seed);
        size_t size;
        unsigned char *bytes = tensors_file(two, NULL, TWO_BYTES, &size);
        bytes = realloc(bytes, size + MOST_GROWTH);
        size = mutate((char *)bytes, size, &random);
        unsigned char *exact = malloc(size);
        if (size > 0)
            memcpy(exact, bytes, size);
        check_mutant(seed, size ? exact : NULL, size);
        free(exact);
        free(bytes);
    }
}

Test(hostile, mutated_configurations, .timeout = 300) {
    watch_crashes();
    size_t whole = (size_t)embedded_config_size, read = 0;
    for (size_t seed = 0; seed < 20000; seed++) {
        current_seed = (sig_atomic_t)seed;
        Random random = random_from_seed(seed);
        char *text = malloc(whole + MOST_GROWTH);
        memcpy(text, embedded_config, whole);
        size_t size = mutate(text, whole, &random);
        text = realloc(text, size ? size : 1);
        Config config;
        Error err;
        size_t live = memory_live();
        if (config_read(&config, "a file", text, size, &err)) {
            check_ok(config_check(&config, "a file", &err), &err);
            read++;
        } else {
            check_line(&err, "a file: ");
        }
        cr_assert_eq(memory_live(), live, "seed %zu: leaked", seed);
        free(text);
    }
    // Some mutations leave a configuration, most do not.
    cr_assert(read > 100 && read < 10000, "found %zu of 20000 read", read);
}

// Whole directories: a mutated header or configuration beside the other file.
Test(hostile, mutated_models, .timeout = 300) {
    watch_crashes();
    Model model;
    good_model(&model);
    model_free(&model);
    const char *const names[] = {"model/config.json",
                                 "model/model.safetensors"};
    for (size_t seed = 0; seed < 2000; seed++) {
        current_seed = (sig_atomic_t)seed;
        Random random = random_from_seed(seed);
        const char *name = names[seed % 2];
        size_t size, whole;
        char *right = read_bytes(scratch(name), &whole);
        char *text = malloc(whole + MOST_GROWTH);
        memcpy(text, right, whole);
        size = mutate(text, whole, &random);
        scratch_write(name, text, size);
        Error err;
        size_t live = memory_live();
        if (model_load(&model, scratch("model"), MATRIX_F32, &err))
            model_free(&model);
        else
            check_line(&err, scratch("model"));
        cr_assert_eq(memory_live(), live, "seed %zu: leaked", seed);
        scratch_write(name, right, whole);
        free(text);
        free(right);
    }
}
