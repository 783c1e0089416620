#include "safetensors.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "memory.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "safetensors are little-endian, and this code reads them in place"
#endif

// The file: 8 bytes with the header's length, the header, the tensors' bytes.
enum { LENGTH_BYTES = 8, MOST_HEADER_BYTES = 100000000, DATA_ALIGNMENT = 8 };

static const struct {
    const char *name;
    size_t bytes;
} types[] = {
    [TENSOR_F32] = {"F32", 4},   [TENSOR_F16] = {"F16", 2},
    [TENSOR_BF16] = {"BF16", 2}, [TENSOR_F64] = {"F64", 8},
    [TENSOR_I64] = {"I64", 8},
};
static const size_t n_types = sizeof types / sizeof *types;

const char *tensor_type_name(TensorType type) {
    return types[type].name;
}

void shape_text(char *text, size_t size, const size_t *shape, size_t rank) {
    size_t used = (size_t)snprintf(text, size, "(");
    for (size_t i = 0; i < rank && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%zu",
                                 i ? ", " : "", shape[i]);
    if (used < size)
        snprintf(text + used, size - used, ")");
}

// --- Reading -----------------------------------------------------------------

// What a tensor's entry in the header says about it, and where its bytes are.
typedef struct {
    Tensor tensor;
    size_t begin, end;  // data_offsets
} Entry;

// An entry's dtype and shape, and how many bytes they make.
static bool read_shape(const cJSON *item, const char *name, Entry *entry,
                       size_t *bytes, Error *err) {
    Tensor *tensor = &entry->tensor;
    const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(item, "dtype");
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(item, "shape");
    if (!cJSON_IsString(dtype) || !cJSON_IsArray(shape))
        return fail(err, "%s: %s: wanted a dtype and a shape, found none", name,
                    tensor->name);
    size_t type = 0;
    while (type < n_types && strcmp(types[type].name, dtype->valuestring) != 0)
        type++;
    if (type == n_types)
        return fail(err,
                    "%s: %s: dtype: wanted F32, F16, BF16, F64 or I64, "
                    "found %.20s",
                    name, tensor->name, dtype->valuestring);
    tensor->type = (TensorType)type;

    *bytes = types[type].bytes;
    tensor->count = 1;
    const cJSON *size;
    cJSON_ArrayForEach (size, shape) {
        if (tensor->rank == TENSOR_MOST_DIMENSIONS)
            return fail(err, "%s: %s: shape: wanted at most %d sizes, found %d",
                        name, tensor->name, TENSOR_MOST_DIMENSIONS,
                        cJSON_GetArraySize(shape));
        size_t *slot = &tensor->shape[tensor->rank++];
        if (!json_count(size, tensor->name, 0, SIZE_MAX, slot, err))
            return fail(err, "%s: %s: shape: wanted whole numbers, found none",
                        name, tensor->name);
        if (!multiply_sizes(*bytes, *slot, bytes))
            return fail(err,
                        "%s: %s: shape: wanted fewer than 2^64 bytes, "
                        "found more",
                        name, tensor->name);
        tensor->count *= *slot;
    }
    return true;
}

// One entry of the header, against a data part of data_size bytes.
static bool read_entry(const cJSON *item, const char *name, size_t data_size,
                       Entry *entry, Error *err) {
    entry->tensor.name = item->string;
    size_t bytes;
    if (!read_shape(item, name, entry, &bytes, err))
        return false;

    const cJSON *offsets =
        cJSON_GetObjectItemCaseSensitive(item, "data_offsets");
    const cJSON *begin = cJSON_GetArrayItem(offsets, 0);
    const cJSON *end = cJSON_GetArrayItem(offsets, 1);
    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
        !json_count(begin, name, 0, data_size, &entry->begin, err) ||
        !json_count(end, name, entry->begin, data_size, &entry->end, err))
        return fail(err,
                    "%s: %s: data_offsets: wanted a begin and an end within "
                    "%zu bytes, found others",
                    name, item->string, data_size);
    if (entry->end - entry->begin != bytes) {
        char shape[128];
        shape_text(shape, sizeof shape, entry->tensor.shape,
                   entry->tensor.rank);
        return fail(
            err, "%s: %s: wanted %zu bytes for %s of shape %s, found %zu", name,
            item->string, bytes, tensor_type_name(entry->tensor.type), shape,
            entry->end - entry->begin);
    }
    return true;
}

static int compare_begins(const void *a, const void *b) {
    const Entry *one = a, *other = b;
    if (one->begin != other->begin)
        return one->begin < other->begin ? -1 : 1;
    return (one->end > other->end) - (one->end < other->end);
}

static int compare_names(const void *a, const void *b) {
    return strcmp(((const Tensor *)a)->name, ((const Tensor *)b)->name);
}

// Every byte belongs to one tensor: no overlap, no hole, nothing behind.
static bool check_bytes(const char *name, Entry *entries, size_t count,
                        size_t data_size, Error *err) {
    qsort(entries, count, sizeof *entries, compare_begins);
    size_t end = 0;
    for (size_t i = 0; i < count; end = entries[i++].end)
        if (entries[i].begin != end)
            return fail(err,
                        "%s: %s: wanted its bytes to begin at %zu, "
                        "found %zu",
                        name, entries[i].tensor.name, end, entries[i].begin);
    if (end != data_size)
        return fail(err, "%s: wanted %zu bytes of tensors, found %zu", name,
                    end, data_size);
    return true;
}

// __metadata__, where it is there, maps strings to strings.
static bool check_metadata(const cJSON *header, const char *name, Error *err) {
    const cJSON *metadata =
        cJSON_GetObjectItemCaseSensitive(header, "__metadata__");
    if (metadata && !cJSON_IsObject(metadata))
        return json_fail(metadata, name, "an object of strings", err);
    const cJSON *item;
    cJSON_ArrayForEach (item, metadata)
        if (!cJSON_IsString(item))
            return json_fail(item, name, "a string of metadata", err);
    return true;
}

// All entries of the header into file->tensors.
static bool read_entries(Safetensors *file, const unsigned char *data,
                         size_t data_size, Entry *entries, Error *err) {
    size_t i = 0;
    const cJSON *item;
    cJSON_ArrayForEach (item, (const cJSON *)file->header)
        if (strcmp(item->string, "__metadata__") != 0)
            if (!read_entry(item, file->path, data_size, &entries[i++], err))
                return false;
    if (!check_bytes(file->path, entries, file->count, data_size, err))
        return false;
    for (i = 0; i < file->count; i++) {
        file->tensors[i] = entries[i].tensor;
        file->tensors[i].data = data + entries[i].begin;
    }
    qsort(file->tensors, file->count, sizeof *file->tensors, compare_names);
    return true;
}

// The header's bytes: behind its length, and not longer than the file.
static bool find_header(const char *name, const unsigned char *bytes,
                        size_t size, size_t *header_size, Error *err) {
    uint64_t length = 0;
    if (size < LENGTH_BYTES)
        return fail(err, "%s: wanted a safetensors file, found %zu bytes", name,
                    size);
    memcpy(&length, bytes, LENGTH_BYTES);
    size_t most = size - LENGTH_BYTES;
    if (most > MOST_HEADER_BYTES)
        most = MOST_HEADER_BYTES;
    if (length > most)
        return fail(err,
                    "%s: header: wanted at most %zu bytes, found a length of "
                    "%llu",
                    name, most, (unsigned long long)length);
    *header_size = (size_t)length;
    return true;
}

// The format has the object's brace in the first byte: JSON would allow blanks.
static bool check_beginning(const char *name, const unsigned char *header,
                            Error *err) {
    if (header[0] != '{')
        return fail(err, "%s: header: wanted { in its first byte, found 0x%02x",
                    name, header[0]);
    return true;
}

bool safetensors_read(Safetensors *file, const char *name, const void *bytes,
                      size_t size, Error *err) {
    *file = (Safetensors){.path = name};
    size_t header_size = 0;
    if (!find_header(name, bytes, size, &header_size, err))
        return false;
    const unsigned char *header = (const unsigned char *)bytes + LENGTH_BYTES;
    cJSON *root = json_parse(name, header, header_size, err);
    if (!root)
        return false;
    file->header = root;

    file->count = (size_t)cJSON_GetArraySize(root);
    if (cJSON_GetObjectItemCaseSensitive(root, "__metadata__"))
        file->count--;
    file->tensors = allocate(file->count, sizeof(Tensor), "tensors", err);
    Entry *entries = allocate(file->count, sizeof *entries, "tensors", err);
    bool ok = file->tensors && entries && check_metadata(root, name, err) &&
              check_beginning(name, header, err) &&
              read_entries(file, header + header_size,
                           size - LENGTH_BYTES - header_size, entries, err);
    release(entries);
    if (!ok)
        safetensors_close(file);
    return ok;
}

bool safetensors_open(Safetensors *file, const char *path, Error *err) {
    FileView view;
    *file = (Safetensors){.path = path};
    if (!file_map(&view, path, err))
        return false;
    if (!safetensors_read(file, path, view.bytes, view.size, err)) {
        file_unmap(&view);
        return false;
    }
    file->view = view;
    return true;
}

void safetensors_close(Safetensors *file) {
    cJSON_Delete(file->header);
    release(file->tensors);
    file_unmap(&file->view);
    *file = (Safetensors){0};
}

const Tensor *safetensors_find(const Safetensors *file, const char *name) {
    Tensor key = {.name = name};
    if (file->count == 0)
        return NULL;
    return bsearch(&key, file->tensors, file->count, sizeof key, compare_names);
}

const char *safetensors_metadata(const Safetensors *file, const char *key) {
    const cJSON *metadata =
        cJSON_GetObjectItemCaseSensitive(file->header, "__metadata__");
    return cJSON_GetStringValue(
        cJSON_GetObjectItemCaseSensitive(metadata, key));
}

// --- Numbers -----------------------------------------------------------------

// The float whose bits these are.
static float float_from_bits(uint32_t bits) {
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

// A bfloat16 is the upper half of a float32.
static float float_from_bf16(uint16_t half) {
    return float_from_bits((uint32_t)half << 16);
}

// IEEE 754 binary16: 1 sign, 5 exponent (bias 15) and 10 fraction bits.
static float float_from_f16(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t exponent = half >> 10 & 0x1f, fraction = half & 0x3ff;
    if (exponent == 0) {  // zero and the subnormals, fraction * 2^-24
        float tiny = (float)fraction * 0x1p-24f;
        return sign ? -tiny : tiny;
    }
    if (exponent == 0x1f)  // infinity and NaN
        return float_from_bits(sign | 0x7f800000 | fraction << 13);
    return float_from_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13);
}

const float *tensor_in_place(const Tensor *tensor) {
    bool aligned = (uintptr_t)tensor->data % _Alignof(float) == 0;
    return tensor->type == TENSOR_F32 && aligned ? tensor->data : NULL;
}

Tensor tensor_part(const Tensor *tensor, size_t first, size_t count) {
    const char *data = tensor->data;
    return (Tensor){.type = tensor->type,
                    .rank = 1,
                    .shape = {count},
                    .count = count,
                    .data = data + first * types[tensor->type].bytes};
}

bool tensor_to_float(const Tensor *tensor, float *numbers) {
    const unsigned char *data = tensor->data;
    uint16_t half;
    double wide;
    switch (tensor->type) {
    case TENSOR_F32:
        if (tensor->count)
            memcpy(numbers, data, tensor->count * sizeof *numbers);
        return true;
    case TENSOR_F16:
    case TENSOR_BF16:
        for (size_t i = 0; i < tensor->count; i++) {
            memcpy(&half, data + i * sizeof half, sizeof half);
            numbers[i] = tensor->type == TENSOR_F16 ? float_from_f16(half)
                                                    : float_from_bf16(half);
        }
        return true;
    case TENSOR_F64:
        for (size_t i = 0; i < tensor->count; i++) {
            memcpy(&wide, data + i * sizeof wide, sizeof wide);
            numbers[i] = (float)wide;
        }
        return true;
    case TENSOR_I64:
        break;
    }
    return false;
}

// --- Writing -----------------------------------------------------------------

// One entry of the header: {"dtype": .., "shape": [..], "data_offsets": [..]}.
static bool add_entry(cJSON *header, const Tensor *tensor, size_t *offset) {
    cJSON *entry = cJSON_AddObjectToObject(header, tensor->name);
    cJSON *shape, *offsets;
    if (!cJSON_AddStringToObject(entry, "dtype", types[tensor->type].name) ||
        !(shape = cJSON_AddArrayToObject(entry, "shape")) ||
        !(offsets = cJSON_AddArrayToObject(entry, "data_offsets")))
        return false;
    bool ok = true;
    for (size_t i = 0; i < tensor->rank; i++)
        ok &= cJSON_AddItemToArray(
            shape, cJSON_CreateNumber((double)tensor->shape[i]));
    ok &= cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)*offset));
    *offset += tensor->count * types[tensor->type].bytes;
    ok &= cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)*offset));
    return ok;
}

// The whole header as text, for cJSON_free(); NULL without memory.
static char *header_text(const Tensor *tensors, size_t count,
                         const char *const *metadata, size_t n_pairs) {
    cJSON *header = cJSON_CreateObject();
    bool ok = header != NULL;
    if (n_pairs > 0) {
        cJSON *pairs = cJSON_AddObjectToObject(header, "__metadata__");
        for (size_t i = 0; i < n_pairs; i++)
            ok = ok && cJSON_AddStringToObject(pairs, metadata[2 * i],
                                               metadata[2 * i + 1]);
    }
    size_t offset = 0;
    for (size_t i = 0; i < count; i++)
        ok = ok && add_entry(header, &tensors[i], &offset);
    char *text = ok ? cJSON_PrintUnformatted(header) : NULL;
    cJSON_Delete(header);
    return text;
}

bool safetensors_write(const char *path, const Tensor *tensors, size_t count,
                       const char *const *metadata, size_t n_pairs,
                       Error *err) {
    char *text = header_text(tensors, count, metadata, n_pairs);
    if (!text)
        return fail(err,
                    "%s: memory for the header: wanted room for %zu tensors, "
                    "found none",
                    path, count);
    FileWriter writer;
    if (!file_begin(&writer, path, err)) {
        cJSON_free(text);
        return false;
    }

    // Spaces behind the header align the numbers.
    size_t length = strlen(text);
    size_t padding =
        (DATA_ALIGNMENT - length % DATA_ALIGNMENT) % DATA_ALIGNMENT;
    uint64_t header_size = length + padding;
    file_write(&writer, &header_size, sizeof header_size);
    file_write(&writer, text, length);
    file_write(&writer, "        ", padding);
    cJSON_free(text);

    for (size_t i = 0; i < count; i++)
        file_write(&writer, tensors[i].data,
                   tensors[i].count * types[tensors[i].type].bytes);
    return file_commit(&writer, err);
}
