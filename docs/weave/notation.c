// The notation table: each row's name stands in a header of src/, in the shape
// that the table gives it.
#include <ctype.h>
#include <string.h>

#include "weave.h"

enum { MOST_CELLS = 8 };

static bool is_name_character(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

static bool has_word(const char *line, const char *word) {
    size_t size = strlen(word);
    for (const char *at = line; size > 0 && (at = strstr(at, word)); at++)
        if ((at == line || !is_name_character(at[-1])) &&
            !is_name_character(at[size]))
            return true;
    return false;
}

// Does a line of a header have the name, and the shape where there is one?
static bool in_headers(const Sources *sources, const char *name,
                       const char *shape) {
    for (size_t i = 0; i < sources->n_files; i++) {
        const Source *file = sources->files[i];
        const char *ending = strrchr(file->path, '.');
        if (!begins_with(file->path, "src/") || strcmp(ending, ".h") != 0)
            continue;
        for (size_t j = 0; j < file->lines.count; j++) {
            const char *line = file->lines.line[j];
            if (has_word(line, name) && strstr(line, shape))
                return true;
        }
    }
    return false;
}

// The text of the backticks that begin at or after *at, which goes on past
// them; NULL where there are none.
static const char *next_code(Arena *arena, const char **at) {
    const char *begin = strchr(*at, '`');
    const char *end = begin ? strchr(begin + 1, '`') : NULL;
    if (!end)
        return NULL;
    *at = end + 1;
    return keep_text(arena, begin + 1, (size_t)(end - begin) - 1);
}

// Cuts "| a | b |" into its cells.
static size_t cut_cells(Arena *arena, const char *line,
                        char *cells[MOST_CELLS]) {
    size_t n = 0;
    for (const char *begin = line + 1; *begin && n < MOST_CELLS;) {
        size_t size = strcspn(begin, "|");
        cells[n++] = keep_text(arena, begin, size);
        begin += size + (begin[size] == '|');
    }
    return n;
}

// `name`, `other` | .. | `(L, d_inner)`: the last cell's shapes, one of which
// stands beside each name.
static void check_row(Weaver *weaver, const Page *page, size_t line,
                      char *cells[MOST_CELLS], size_t n) {
    const char *names = cells[0];
    for (const char *name; (name = next_code(weaver->arena, &names));) {
        const char *shapes = cells[n - 1], *shape;
        bool found = false, any = false;
        while (!found && (shape = next_code(weaver->arena, &shapes))) {
            any = true;
            found = in_headers(&weaver->sources, name, shape);
        }
        if (!any)
            found = in_headers(&weaver->sources, name, "");
        if (!found)
            finding(weaver, page->path, line,
                    "notation: wanted %s%s%s in a header of src/, found none",
                    name, any ? " in the shape" : "", any ? cells[n - 1] : "");
    }
}

void check_notation(Weaver *weaver, const Page *page) {
    size_t rows = 0;
    for (size_t i = 0; i < page->lines.count; i++) {
        const char *line = page->lines.line[i];
        char *cells[MOST_CELLS];
        if (!begins_with(line, "| `"))
            continue;
        size_t n = cut_cells(weaver->arena, line, cells);
        check_row(weaver, page, i + 1, cells, n);
        rows++;
    }
    if (rows == 0)
        finding(weaver, page->path, 1,
                "notation: wanted rows that begin with '| `', found none");
}
