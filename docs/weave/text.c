#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "memory.h"

struct Block {
    Block *before;
    max_align_t bytes[];
};

void *keep(Arena *arena, size_t size) {
    Error err;
    Block *block = allocate(1, sizeof *block + size, "the weaver", &err);
    if (!block) {
        fprintf(stderr, "weave: %s\n", err.text);
        exit(1);
    }
    block->before = arena->last;
    arena->last = block;
    return block->bytes;
}

void arena_free(Arena *arena) {
    while (arena->last) {
        Block *before = arena->last->before;
        release(arena->last);
        arena->last = before;
    }
}

char *keep_text(Arena *arena, const char *text, size_t size) {
    char *copy = keep(arena, size + 1);
    memcpy(copy, text, size);
    return copy;
}

static char *keep_vprintf(Arena *arena, const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *text = keep(arena, (size_t)size + 1);
    vsnprintf(text, (size_t)size + 1, format, arguments);
    return text;
}

char *keep_printf(Arena *arena, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *text = keep_vprintf(arena, format, arguments);
    va_end(arguments);
    return text;
}

void *keep_more(Arena *arena, void *array, size_t count, size_t size) {
    if (count & (count - 1))
        return array;
    void *larger = keep(arena, (count ? 2 * count : 1) * size);
    if (count)
        memcpy(larger, array, count * size);
    return larger;
}

void text_add(Text *text, const char *bytes, size_t size) {
    if (text->size + size + 1 > text->room) {
        size_t room = 2 * (text->size + size) + 64;
        char *larger = keep(text->arena, room);
        if (text->size)
            memcpy(larger, text->bytes, text->size);
        text->bytes = larger;
        text->room = room;
    }
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
    text->bytes[text->size] = '\0';
}

void text_printf(Text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *more = keep_vprintf(text->arena, format, arguments);
    va_end(arguments);
    text_add(text, more, strlen(more));
}

Lines lines_cut(Arena *arena, const char *bytes, size_t size) {
    Lines lines = {0};
    for (size_t begin = 0; begin < size;) {
        const char *newline = memchr(bytes + begin, '\n', size - begin);
        size_t end = newline ? (size_t)(newline - bytes) : size;
        lines.line =
            keep_more(arena, lines.line, lines.count, sizeof *lines.line);
        lines.line[lines.count++] =
            keep_text(arena, bytes + begin, end - begin);
        begin = end + 1;
    }
    return lines;
}

bool lines_read(Lines *lines, Arena *arena, const char *path, Error *err) {
    FileView view;
    if (!file_map(&view, path, err))
        return false;
    if (view.size > 0 && memchr(view.bytes, '\0', view.size)) {
        file_unmap(&view);
        return fail(err, "%s: wanted text, found a byte that is 0", path);
    }
    *lines = lines_cut(arena, (const char *)view.bytes, view.size);
    file_unmap(&view);
    return true;
}

size_t columns(const char *line) {
    size_t wide = 0;
    // Every byte but the later ones of a UTF-8 sequence begins a character.
    for (; *line; line++)
        wide += ((unsigned char)*line & 0xc0) != 0x80;
    return wide;
}

size_t indentation(const char *line) {
    return strspn(line, " ");
}

bool is_blank(const char *line) {
    return line[indentation(line)] == '\0';
}

bool begins_with(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool ends_with(const char *text, const char *ending) {
    size_t size = strlen(text), wanted = strlen(ending);
    return size >= wanted && strcmp(text + size - wanted, ending) == 0;
}
