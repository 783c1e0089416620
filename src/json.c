#include "json.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

// How many bytes the UTF-8 sequence at text takes, of size at most; 0 where it
// is none (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF).
static size_t utf8_sequence(const unsigned char *text, size_t size) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char lead = text[0];
    if (lead < 0x80)
        return 1;
    size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || length > size)
        return 0;
    uint32_t code = lead & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (text[i] & 0x3fu);
    }
    bool surrogate = code >= 0xd800 && code <= 0xdfff;
    return code < least[length] || surrogate || code > 0x10ffff ? 0 : length;
}

static bool check_utf8(const char *name, const unsigned char *text, size_t size,
                       Error *err) {
    for (size_t i = 0; i < size;) {
        size_t length = utf8_sequence(text + i, size - i);
        if (length == 0)
            return fail(err, "%s: byte %zu: wanted UTF-8, found 0x%02x", name,
                        i, text[i]);
        i += length;
    }
    return true;
}

// A NUL would end a string before its end: none stands in the text, as a byte
// or as \u0000.
static bool check_no_nul(const char *name, const char *text, size_t size,
                         Error *err) {
    for (size_t i = 0; i < size; i++) {
        bool escape = text[i] == '\\';
        bool nul =
            escape && size - i >= 6 && memcmp(text + i + 1, "u0000", 5) == 0;
        if (text[i] == '\0' || nul)
            return fail(err, "%s: byte %zu: wanted text, found a NUL", name, i);
        i += escape;  // what a backslash escapes is no backslash
    }
    return true;
}

static int compare_keys(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

// No object in the tree has a key twice.
static bool check_keys(const char *name, const cJSON *item, Error *err) {
    size_t n = 0;
    for (const cJSON *child = item->child; child; child = child->next) {
        if (!check_keys(name, child, err))
            return false;
        n++;
    }
    if (!cJSON_IsObject(item))
        return true;

    const char **keys = allocate(n, sizeof *keys, "the keys of JSON", err);
    if (!keys)
        return false;
    size_t i = 0;
    for (const cJSON *child = item->child; child; child = child->next)
        keys[i++] = child->string;
    qsort(keys, n, sizeof *keys, compare_keys);
    bool ok = true;
    for (i = 1; i < n && ok; i++)
        if (strcmp(keys[i - 1], keys[i]) == 0)
            ok = fail(err, "%s: %s: wanted this key once, found it twice", name,
                      keys[i]);
    release(keys);
    return ok;
}

cJSON *json_parse(const char *name, const void *bytes, size_t size,
                  Error *err) {
    const char *text = bytes, *end = text;
    if (!check_utf8(name, bytes, size, err) ||
        !check_no_nul(name, text, size, err))
        return NULL;
    cJSON *root = size ? cJSON_ParseWithLengthOpts(text, size, &end, 0) : NULL;
    if (!root) {
        fail(err, "%s: wanted JSON, found an error near byte %zu of %zu", name,
             (size_t)(end - text), size);
        return NULL;
    }
    while (end < text + size && strchr(" \t\r\n", *end) && *end)
        end++;
    bool ok = true;
    if (end != text + size)
        ok = fail(err, "%s: wanted one JSON object, found more at byte %zu",
                  name, (size_t)(end - text));
    else if (!cJSON_IsObject(root))
        ok = json_fail(root, name, "a JSON object", err);
    if (ok && check_keys(name, root, err))
        return root;
    cJSON_Delete(root);
    return NULL;
}

bool json_fail(const cJSON *item, const char *name, const char *wanted,
               Error *err) {
    char found[80] = "something else";
    if (cJSON_IsNumber(item))
        snprintf(found, sizeof found, "%.17g", item->valuedouble);
    else if (cJSON_IsString(item))
        snprintf(found, sizeof found, "\"%.60s\"", item->valuestring);
    else if (cJSON_IsBool(item))
        snprintf(found, sizeof found, cJSON_IsTrue(item) ? "true" : "false");
    else if (cJSON_IsNull(item))
        snprintf(found, sizeof found, "null");
    else if (cJSON_IsArray(item))
        snprintf(found, sizeof found, "an array");
    else if (cJSON_IsObject(item))
        snprintf(found, sizeof found, "an object");
    return fail(err, "%s: %s%swanted %s, found %s", name,
                item->string ? item->string : "", item->string ? ": " : "",
                wanted, found);
}

bool json_count(const cJSON *item, const char *name, size_t least, size_t most,
                size_t *count, Error *err) {
    double number = cJSON_IsNumber(item) ? item->valuedouble : -1;
    // Above 2^53 a double no longer holds every whole number.
    if (!(number >= (double)least && number <= (double)most &&
          number <= 0x1p53) ||
        number != floor(number)) {
        char wanted[80];
        snprintf(wanted, sizeof wanted, "a whole number from %zu to %zu", least,
                 most);
        return json_fail(item, name, wanted, err);
    }
    *count = (size_t)number;
    return true;
}

bool json_number(const cJSON *item, const char *name, double *number,
                 Error *err) {
    if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble))
        return json_fail(item, name, "a finite number", err);
    *number = item->valuedouble;
    return true;
}

bool json_bool(const cJSON *item, const char *name, bool *truth, Error *err) {
    if (!cJSON_IsBool(item))
        return json_fail(item, name, "true or false", err);
    *truth = cJSON_IsTrue(item);
    return true;
}

bool json_string(const cJSON *item, const char *name, const char **string,
                 Error *err) {
    if (!cJSON_IsString(item))
        return json_fail(item, name, "a string", err);
    *string = item->valuestring;
    return true;
}
