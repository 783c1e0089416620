#include "scratch.h"

#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compare.h"
#include "failing_memory.h"

void test_begin(void) {
    cJSON_Hooks hooks = {.malloc_fn = failing_malloc, .free_fn = failing_free};
    cJSON_InitHooks(&hooks);
    use_threads(1);
}

// --- Files -------------------------------------------------------------------

static char directory[200];

void scratch_begin(void) {
    test_begin();
    const char *place = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%s/minimamba-test-XXXXXX",
             place ? place : "/tmp");
    cr_assert(mkdtemp(directory), "cannot make %s", directory);
}

// The next entry of a directory that is neither itself nor its parent.
static const char *next_entry(DIR *stream) {
    struct dirent *entry;
    while ((entry = readdir(stream)))
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            return entry->d_name;
    return NULL;
}

static void remove_all(const char *path) {
    DIR *stream = opendir(path);
    if (stream) {
        for (const char *name; (name = next_entry(stream));) {
            char inside[PATH_BYTES];
            snprintf(inside, sizeof inside, "%s/%s", path, name);
            remove_all(inside);
        }
        closedir(stream);
    }
    remove(path);
}

void scratch_end(void) {
    remove_all(directory);
    nothing_leaks();
}

const char *scratch(const char *name) {
    enum { MOST_NAMES = 32 };
    static char paths[MOST_NAMES][PATH_BYTES];
    static size_t count;
    char path[PATH_BYTES];
    snprintf(path, PATH_BYTES, "%s%s%s", directory, *name ? "/" : "", name);
    for (size_t i = 0; i < count; i++)
        if (strcmp(paths[i], path) == 0)
            return paths[i];
    cr_assert(count < MOST_NAMES, "wanted at most %d names", MOST_NAMES);
    return strcpy(paths[count++], path);
}

void scratch_write(const char *name, const void *bytes, size_t size) {
    // A new file: some file systems wait for the disk when an old one is cut.
    unlink(scratch(name));
    FILE *file = fopen(scratch(name), "wb");
    cr_assert(file, "cannot write %s", scratch(name));
    cr_assert(size == 0 || fwrite(bytes, 1, size, file) == size);
    cr_assert_eq(fclose(file), 0);
}

void scratch_text(const char *name, const char *text) {
    scratch_write(name, text, strlen(text));
}

unsigned char *tensors_file(const char *header, const void *data,
                            size_t data_size, size_t *size) {
    uint64_t length = strlen(header);
    *size = sizeof length + length + data_size;
    unsigned char *bytes = calloc(*size, 1);
    cr_assert(bytes);
    memcpy(bytes, &length, sizeof length);
    memcpy(bytes + sizeof length, header, length);
    if (data)
        memcpy(bytes + sizeof length + length, data, data_size);
    return bytes;
}

char *read_bytes(const char *path, size_t *size) {
    struct stat status;
    FILE *file = fopen(path, "rb");
    cr_assert(file && fstat(fileno(file), &status) == 0, "cannot read %s",
              path);
    *size = (size_t)status.st_size;
    char *bytes = malloc(*size + 1);
    cr_assert(bytes && fread(bytes, 1, *size, file) == *size);
    bytes[*size] = '\0';
    fclose(file);
    return bytes;
}

size_t scratch_entries(const char *name) {
    size_t count = 0;
    DIR *stream = opendir(scratch(name));
    cr_assert(stream, "wanted the directory %s", scratch(name));
    while (next_entry(stream))
        count++;
    closedir(stream);
    return count;
}

// --- Text --------------------------------------------------------------------

char *replaced(const char *text, const char *find, const char *by) {
    const char *at = strstr(text, find);
    cr_assert(at, "wanted '%s' in: %s", find, text);
    char *result = malloc(strlen(text) + strlen(by) + 1);
    cr_assert(result);
    size_t before = (size_t)(at - text);
    memcpy(result, text, before);
    strcpy(result + before, by);
    strcat(result, at + strlen(find));
    return result;
}

// --- Refusals ----------------------------------------------------------------

void check_line(const Error *err, const char *begins) {
    const char *text = err->text;
    size_t length = strnlen(text, sizeof err->text);
    cr_assert(length < sizeof err->text, "wanted a line with an end");
    cr_assert(strncmp(text, begins, strlen(begins)) == 0,
              "wanted a line about %s, found: %s", begins, text);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            cr_assert_fail("byte %zu: wanted no control character: %s", i,
                           text);
    bool cut = length > 3 && strcmp(text + length - 3, "...") == 0;
    cr_assert(cut || (strstr(text, "wanted") && strstr(text, "found")),
              "wanted what was wanted and found, found: %s", text);
}

void check_refused(const char *what, bool ok, const Error *err,
                   const char *begins, const char *part) {
    if (ok)
        cr_assert_fail("%s: wanted it refused", what);
    check_line(err, begins);
    if (!strstr(err->text, part))
        cr_assert_fail("%s: wanted '%s', found: %s", what, part, err->text);
}

void check_ok(bool ok, const Error *err) {
    if (!ok)
        cr_assert_fail("%s", err->text);
}
