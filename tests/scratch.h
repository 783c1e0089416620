// A directory for each test that makes files, and the line that a function
// leaves when it refuses what it finds there.
#ifndef SCRATCH_H
#define SCRATCH_H

#include "file.h"

// From now on cJSON's memory is counted too, and can be made to fail; and loops
// run in one thread, because the tests run beside each other.
void test_begin(void);

// --- Files -------------------------------------------------------------------

// Makes a directory of the test's own, and removes it with all that is in it.
// The first one begins with test_begin(), the second one ends with
// nothing_leaks():
//
//     TestSuite(cache, .init = scratch_begin, .fini = scratch_end);
void scratch_begin(void);
void scratch_end(void);

// The path of a name in the directory, good until the test's end; the directory
// itself for "".
const char *scratch(const char *name);

// A file of these bytes, and one of this text.
void scratch_write(const char *name, const void *bytes, size_t size);
void scratch_text(const char *name, const char *text);

// A safetensors file of this header and data_size bytes of tensors, in memory
// of just its size; free(). The bytes are 0, or copied from data.
unsigned char *tensors_file(const char *header, const void *data,
                            size_t data_size, size_t *size);

// The file's bytes, followed by a '\0' that size does not count; free().
char *read_bytes(const char *path, size_t *size);

// How many entries the directory of this name has ("" for the test's own).
size_t scratch_entries(const char *name);

// --- Text --------------------------------------------------------------------

// text with its first `find` replaced; free(). Fails where there is none.
char *replaced(const char *text, const char *find, const char *by);

// --- Refusals ----------------------------------------------------------------

// What every error's line has: it begins with the name of what was refused,
// says what was wanted and what was found, and has no control character. Where
// a name of thousands of bytes has filled the line, it ends in "...".
void check_line(const Error *err, const char *begins);

// The function returned false, and its line also has this part.
void check_refused(const char *what, bool ok, const Error *err,
                   const char *begins, const char *part);

// Did what it was asked to; otherwise the test fails with the line.
void check_ok(bool ok, const Error *err);

#endif
