// Text in memory: an arena that owns it, buffers that grow, lines.
#ifndef WEAVE_TEXT_H
#define WEAVE_TEXT_H

#include <stdarg.h>
#include <stddef.h>

#include "error.h"

// Memory that is given back all at once. Where there is none left, the weaver
// says so and ends: it has written nothing half.
typedef struct Block Block;
typedef struct {
    Block *last;
} Arena;

void *keep(Arena *arena, size_t size);  // zeroed
char *keep_text(Arena *arena, const char *text, size_t size);
char *keep_printf(Arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
// Room for one more element of an array of count elements, whose room doubles
// at powers of two; returns where the array is now.
void *keep_more(Arena *arena, void *array, size_t count, size_t size);
void arena_free(Arena *arena);

// Text that grows at its end; always ends in a '\0' that size does not count.
typedef struct {
    Arena *arena;
    char *bytes;
    size_t size, room;
} Text;

void text_add(Text *text, const char *bytes, size_t size);
void text_printf(Text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// A text cut into lines, without their newlines.
typedef struct {
    char **line;
    size_t count;
} Lines;

Lines lines_cut(Arena *arena, const char *bytes, size_t size);
// The file's lines; an error that names it where it cannot be read, or is no
// text.
bool lines_read(Lines *lines, Arena *arena, const char *path, Error *err);

// How wide the line is, in characters; how many blanks it begins with.
size_t columns(const char *line);
size_t indentation(const char *line);
bool is_blank(const char *line);
bool begins_with(const char *text, const char *prefix);
bool ends_with(const char *text, const char *ending);

#endif
