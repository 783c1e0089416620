// Safetensors files: what is written is read, and every number keeps its value.
// Files that lie are in hostile.c.
#include "safetensors.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "failing_memory.h"
#include "scratch.h"

TestSuite(safetensors, .init = scratch_begin, .fini = scratch_end);

// --- Reading -----------------------------------------------------------------

static void must_read(Safetensors *file, const void *bytes, size_t size) {
    Error err;
    check_ok(safetensors_read(file, "a file", bytes, size, &err), &err);
}

static const Tensor *must_find(const Safetensors *file, const char *name) {
    const Tensor *tensor = safetensors_find(file, name);
    cr_assert(tensor, "wanted the tensor %s", name);
    return tensor;
}

// The tensors stand in another order in the header than in the file.
Test(safetensors, are_read_by_name) {
    const float data[] = {1, 2, 3, 4, 5, 6, -7};
    const char *header =
        "{\"b\": {\"dtype\": \"F32\", \"shape\": [], \"data_offsets\": [24, "
        "28]}, \"__metadata__\": {\"origin\": \"by hand\", \"eps\": \"1e-5\"},"
        "\"a\": {\"shape\": [2, 3], \"data_offsets\": [0, 24], "
        "\"dtype\": \"F32\"}, "
        "\"c\": {\"dtype\": \"F32\", \"shape\": [3, 0, 2], "
        "\"data_offsets\": [24, 24]}}";
    size_t size;
    unsigned char *bytes = tensors_file(header, data, sizeof data, &size);
    Safetensors file;
    must_read(&file, bytes, size);
    cr_assert_eq(file.count, 3);
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(file.tensors[i].name[0], "abc"[i]);

    const Tensor *a = must_find(&file, "a");
    cr_assert(a->rank == 2 && a->shape[0] == 2 && a->shape[1] == 3);
    cr_assert(a->count == 6 && a->type == TENSOR_F32);
    cr_assert_eq(memcmp(a->data, data, 24), 0);
    const Tensor *b = must_find(&file, "b");
    cr_assert(b->rank == 0 && b->count == 1);
    cr_assert_eq(memcmp(b->data, data + 6, 4), 0);
    const Tensor *c = must_find(&file, "c");
    cr_assert(c->rank == 3 && c->shape[1] == 0 && c->count == 0);

    cr_assert_null(safetensors_find(&file, "d"));
    cr_assert_null(safetensors_find(&file, ""));
    cr_assert_null(safetensors_find(&file, "__metadata__"));
    cr_assert_str_eq(safetensors_metadata(&file, "origin"), "by hand");
    cr_assert_str_eq(safetensors_metadata(&file, "eps"), "1e-5");
    cr_assert_null(safetensors_metadata(&file, "Origin"));
    cr_assert_null(safetensors_metadata(&file, "a"));
    safetensors_close(&file);
    free(bytes);
}

Test(safetensors, may_have_no_tensor_and_no_metadata) {
    const char *const headers[] = {"{}", "{\"__metadata__\": {}}", "{}    "};
    for (size_t i = 0; i < 3; i++) {
        size_t size;
        unsigned char *bytes = tensors_file(headers[i], NULL, 0, &size);
        Safetensors file;
        must_read(&file, bytes, size);
        cr_assert_eq(file.count, 0);
        cr_assert_null(safetensors_find(&file, "a"));
        cr_assert_null(safetensors_metadata(&file, "a"));
        safetensors_close(&file);
        free(bytes);
    }
}

// Many tensors in no order, each found again.
Test(safetensors, many_tensors_are_found) {
    enum { MANY = 1000 };
    char *header = malloc(MANY * 100);
    float *data = new_floats(MANY);
    char *end = header + sprintf(header, "{");
    for (int i = 0; i < MANY; i++) {
        data[i] = (float)i;
        end += sprintf(end,
                       "%s\"t%d\":{\"dtype\":\"F32\",\"shape\":[1],"
                       "\"data_offsets\":[%d,%d]}",
                       i ? "," : "", i * 7 % MANY, 4 * i, 4 * i + 4);
    }
    strcpy(end, "}");
    size_t size;
    unsigned char *bytes = tensors_file(header, data, MANY * 4, &size);
    Safetensors file;
    must_read(&file, bytes, size);
    for (int i = 0; i < MANY; i++) {
        float number;
        const Tensor *found = must_find(&file, label("t%d", i * 7 % MANY).text);
        cr_assert(tensor_to_float(found, &number) && number == (float)i);
    }
    safetensors_close(&file);
    free(bytes);
    free(header);
    free(data);
}

// --- Writing -----------------------------------------------------------------

// One tensor of each type and many shapes; every byte of their data differs.
static const Tensor examples[] = {
    {.name = "half", .type = TENSOR_F16, .rank = 1, .shape = {3}},
    {.name = "brain", .type = TENSOR_BF16, .rank = 2, .shape = {1, 5}},
    {.name = "single", .type = TENSOR_F32, .rank = 3, .shape = {2, 1, 3}},
    {.name = "double", .type = TENSOR_F64, .rank = 1, .shape = {2}},
    {.name = "whole", .type = TENSOR_I64, .rank = 1, .shape = {1}},
    {.name = "scalar", .type = TENSOR_F32, .rank = 0},
    {.name = "none", .type = TENSOR_F32, .rank = 2, .shape = {0, 7}},
    {.name = "eight",
     .type = TENSOR_F32,
     .rank = 8,
     .shape = {1, 2, 1, 1, 2, 1, 1, 1}},
    {.name = "a \"name\\ of \xc3\xa9\t", .type = TENSOR_F32, .rank = 0}};
enum { N_EXAMPLES = sizeof examples / sizeof *examples };

static size_t bytes_of(const Tensor *tensor) {
    const size_t each[] = {[TENSOR_F32] = 4,
                           [TENSOR_F16] = 2,
                           [TENSOR_BF16] = 2,
                           [TENSOR_F64] = 8,
                           [TENSOR_I64] = 8};
    return tensor->count * each[tensor->type];
}

// The examples with their counts and made-up data, of which each is a part.
static void make_examples(Tensor *tensors, unsigned char *data) {
    Random random = random_from_seed(9);
    for (size_t i = 0; i < N_EXAMPLES; i++) {
        tensors[i] = examples[i];
        tensors[i].count = 1;
        for (size_t k = 0; k < tensors[i].rank; k++)
            tensors[i].count *= tensors[i].shape[k];
        tensors[i].data = data;
        for (size_t k = bytes_of(&tensors[i]); k > 0; k--)
            *data++ = (unsigned char)random_bits(&random);
    }
}

Test(safetensors, what_is_written_is_read) {
    const char *const metadata[] = {"origin", "a \"test\"", "format", "pt"};
    Tensor tensors[N_EXAMPLES];
    unsigned char data[200];
    make_examples(tensors, data);
    Error err;
    const char *path = scratch("file");
    check_ok(safetensors_write(path, tensors, N_EXAMPLES, metadata, 2, &err),
             &err);
    Safetensors file;
    check_ok(safetensors_open(&file, path, &err), &err);
    cr_assert_eq(file.count, N_EXAMPLES);
    for (size_t i = 0; i < N_EXAMPLES; i++) {
        const Tensor *wanted = &tensors[i];
        const Tensor *found = must_find(&file, wanted->name);
        cr_assert(found->type == wanted->type && found->rank == wanted->rank);
        cr_assert_eq(memcmp(found->shape, wanted->shape, sizeof wanted->shape),
                     0);
        cr_assert_eq(found->count, wanted->count);
        cr_assert_eq(memcmp(found->data, wanted->data, bytes_of(wanted)), 0);
    }
    cr_assert_str_eq(safetensors_metadata(&file, "origin"), "a \"test\"");
    cr_assert_str_eq(safetensors_metadata(&file, "format"), "pt");
    safetensors_close(&file);
    cr_assert_eq(scratch_entries(""), 1, "wanted no temporary left");
}

// Whatever the header's length, the numbers behind it are aligned: other
// programs map them.
Test(safetensors, numbers_are_aligned) {
    const float number = 3;
    for (size_t n = 1; n <= 17; n++) {
        char name[20] = "xxxxxxxxxxxxxxxxxx";
        name[n] = '\0';
        Tensor tensor = {
            .name = name, .type = TENSOR_F32, .count = 1, .data = &number};
        Error err;
        check_ok(safetensors_write(scratch("file"), &tensor, 1, NULL, 0, &err),
                 &err);
        size_t size;
        char *bytes = read_bytes(scratch("file"), &size);
        uint64_t length;
        memcpy(&length, bytes, sizeof length);
        cr_assert_eq(length % 8, 0);
        cr_assert_eq(size, 8 + length + sizeof number);
        cr_assert_eq(bytes[8], '{');
        free(bytes);
    }
}

Test(safetensors, nothing_may_be_written) {
    Error err;
    Safetensors file;
    const char *path = scratch("file");
    check_ok(safetensors_write(path, NULL, 0, NULL, 0, &err), &err);
    check_ok(safetensors_open(&file, path, &err), &err);
    cr_assert_eq(file.count, 0);
    safetensors_close(&file);
}

// An open file stays what it was while another takes its name.
Test(safetensors, an_open_file_outlives_its_replacement) {
    float number = 1;
    Tensor tensor = {
        .name = "a", .type = TENSOR_F32, .count = 1, .data = &number};
    Error err;
    Safetensors file;
    const char *path = scratch("file");
    check_ok(safetensors_write(path, &tensor, 1, NULL, 0, &err), &err);
    check_ok(safetensors_open(&file, path, &err), &err);
    number = 2;
    check_ok(safetensors_write(path, &tensor, 1, NULL, 0, &err), &err);
    cr_assert(tensor_to_float(must_find(&file, "a"), &number) && number == 1);
    safetensors_close(&file);
    check_ok(safetensors_open(&file, path, &err), &err);
    cr_assert(tensor_to_float(must_find(&file, "a"), &number) && number == 2);
    safetensors_close(&file);
}

Test(safetensors, what_cannot_be_written_leaves_nothing) {
    Error err;
    check_refused("a directory",
                  safetensors_write(scratch(""), NULL, 0, NULL, 0, &err), &err,
                  scratch(""), "wanted a regular file to write");
    const char *path = scratch("no/parent");
    check_refused("no parent", safetensors_write(path, NULL, 0, NULL, 0, &err),
                  &err, path, "No such file");
    check_refused("a device",
                  safetensors_write("/dev/null", NULL, 0, NULL, 0, &err), &err,
                  "/dev/null", "wanted a regular file to write");
    cr_assert_eq(scratch_entries(""), 0);
}

// --- Numbers -----------------------------------------------------------------

enum { ALL_HALVES = 1 << 16 };

// All 16-bit numbers there are, as a tensor that is not aligned.
static float *convert_all_halves(TensorType type) {
    unsigned char *bytes = malloc(1 + 2 * ALL_HALVES);
    float *numbers = new_floats(ALL_HALVES);
    for (size_t i = 0; i < ALL_HALVES; i++) {
        bytes[1 + 2 * i] = (unsigned char)(i & 0xff);
        bytes[2 + 2 * i] = (unsigned char)(i >> 8);
    }
    Tensor tensor = {.type = type, .count = ALL_HALVES, .data = bytes + 1};
    cr_assert(tensor_to_float(&tensor, numbers));
    free(bytes);
    return numbers;
}

static void check_half(int half, float found, double wanted) {
    if (isnan(wanted))
        cr_assert(isnan(found), "0x%04x: wanted NaN, found %g", half, found);
    else if (found != wanted || !signbit(found) != !signbit(wanted))
        cr_assert_fail("0x%04x: wanted %g, found %g", half, wanted, found);
}

// IEEE 754: (-1)^s * 2^(e-15) * 1.f, without the 1 and with e = 1 where e = 0.
Test(safetensors, every_f16_has_its_value) {
    float *numbers = convert_all_halves(TENSOR_F16);
    for (int half = 0; half < ALL_HALVES; half++) {
        int e = half / 1024 % 32, f = half % 1024;
        double size = e == 0   ? ldexp(f, -24)
                      : e < 31 ? ldexp(1024 + f, e - 25)
                      : f == 0 ? INFINITY
                               : NAN;
        check_half(half, numbers[half], half < 0x8000 ? size : -size);
    }
    cr_assert(numbers[0x3c00] == 1 && numbers[0x7bff] == 65504);
    cr_assert(numbers[0x0001] == 0x1p-24f && numbers[0xc000] == -2);
    free(numbers);
}

// 8 bits of exponent and 7 of fraction.
Test(safetensors, every_bf16_has_its_value) {
    float *numbers = convert_all_halves(TENSOR_BF16);
    for (int half = 0; half < ALL_HALVES; half++) {
        int e = half / 128 % 256, f = half % 128;
        double size = e == 0    ? ldexp(f, -133)
                      : e < 255 ? ldexp(128 + f, e - 134)
                      : f == 0  ? INFINITY
                                : NAN;
        check_half(half, numbers[half], half < 0x8000 ? size : -size);
    }
    cr_assert(numbers[0x3f80] == 1 && numbers[0xc000] == -2);
    free(numbers);
}

Test(safetensors, f64_is_rounded) {
    const double wide[] = {1, -0.1, 1e300, -1e300, 1e-300, NAN, INFINITY, 0};
    float numbers[8];
    Tensor tensor = {.type = TENSOR_F64, .count = 8, .data = wide};
    cr_assert(tensor_to_float(&tensor, numbers));
    const float wanted[] = {1, -0.1f, INFINITY, -INFINITY, 0, NAN, INFINITY, 0};
    for (size_t i = 0; i < 8; i++)
        check_half((int)i, numbers[i], wanted[i]);
    cr_assert_null(tensor_in_place(&tensor));
}

Test(safetensors, f32_stays_what_it_is) {
    const float some[] = {1, -0.0f, 1e-45f, NAN, INFINITY};
    float numbers[5];
    Tensor tensor = {.type = TENSOR_F32, .count = 5, .data = some};
    cr_assert(tensor_to_float(&tensor, numbers));
    compare_bits("f32", numbers, some, 5);
    cr_assert_eq(tensor_in_place(&tensor), some);

    // At an odd address it must be moved.
    char moved[sizeof some + 1];
    memcpy(moved + 1, some, sizeof some);
    tensor.data = moved + 1;
    if ((uintptr_t)tensor.data % _Alignof(float) != 0)
        cr_assert_null(tensor_in_place(&tensor));
    cr_assert(tensor_to_float(&tensor, numbers));
    compare_bits("moved f32", numbers, some, 5);
}

Test(safetensors, whole_numbers_are_no_weights) {
    const int64_t whole = 3;
    float number = 7;
    Tensor tensor = {.type = TENSOR_I64, .count = 1, .data = &whole};
    cr_assert(!tensor_to_float(&tensor, &number) && number == 7);
    cr_assert_null(tensor_in_place(&tensor));
}

// --- Text --------------------------------------------------------------------

Test(safetensors, types_have_their_names) {
    cr_assert_str_eq(tensor_type_name(TENSOR_F32), "F32");
    cr_assert_str_eq(tensor_type_name(TENSOR_F16), "F16");
    cr_assert_str_eq(tensor_type_name(TENSOR_BF16), "BF16");
    cr_assert_str_eq(tensor_type_name(TENSOR_F64), "F64");
    cr_assert_str_eq(tensor_type_name(TENSOR_I64), "I64");
}

Test(safetensors, shapes_have_their_text) {
    const size_t shape[] = {2, 128, 16};
    char text[32];
    shape_text(text, sizeof text, shape, 3);
    cr_assert_str_eq(text, "(2, 128, 16)");
    shape_text(text, sizeof text, shape, 1);
    cr_assert_str_eq(text, "(2)");
    shape_text(text, sizeof text, shape, 0);
    cr_assert_str_eq(text, "()");
    // Whatever room there is, the text ends within it.
    for (size_t size = 1; size < 20; size++) {
        char *exact = malloc(size);
        shape_text(exact, size, shape, 3);
        cr_assert(strlen(exact) < size);
        cr_assert_eq(strncmp(exact, "(2, 128, 16)", strlen(exact)), 0);
        free(exact);
    }
}
