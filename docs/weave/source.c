#include "source.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- Files -------------------------------------------------------------------

static const char *const patterns[] = {
    "src/*", "tests/*.[ch]", "docs/weave/*.[ch]", "chapters/*/program.c",
    "chapters/*/exercises/*.[ch]"};

bool sources_file(const Source **source, Sources *sources, const char *path,
                  Error *err) {
    for (size_t i = 0; i < sources->n_files; i++)
        if (strcmp(sources->files[i]->path, path) == 0) {
            *source = sources->files[i];
            return true;
        }
    Arena *arena = sources->arena;
    Source *file = keep(arena, sizeof *file);
    file->path = keep_text(arena, path, strlen(path));
    if (!lines_read(&file->lines, arena, path, err))
        return false;
    sources->files = keep_more(arena, sources->files, sources->n_files,
                               sizeof *sources->files);
    sources->files[sources->n_files++] = file;
    *source = file;
    return true;
}

static bool read_files(Sources *sources, Error *err) {
    for (size_t p = 0; p < sizeof patterns / sizeof *patterns; p++) {
        glob_t found;
        if (glob(patterns[p], 0, NULL, &found) != 0)
            continue;
        bool ok = true;
        const Source *source;
        for (size_t i = 0; ok && i < found.gl_pathc; i++)
            ok = sources_file(&source, sources, found.gl_pathv[i], err);
        globfree(&found);
        if (!ok)
            return false;
    }
    if (sources->n_files == 0)
        return fail(err, "src: wanted C files to quote, found none here");
    return true;
}

static bool is_c(const char *path) {
    return ends_with(path, ".c") || ends_with(path, ".h");
}

// --- Where a definition begins and ends --------------------------------------

static const char *line_of(const Part *part, size_t i) {
    return part->source->lines.line[i];
}

static bool is_comment(const char *line) {
    return begins_with(line + indentation(line), "//");
}

// How many braces the line's code opens, less those that it closes; *last is
// the code's last character. Strings, characters and comments have no braces.
static int count_braces(const char *line, char *last) {
    int depth = 0;
    char quote = '\0';
    *last = '\0';
    for (const char *c = line; *c; c++) {
        if (!quote && begins_with(c, "//"))
            break;
        if (*c != ' ')
            *last = *c;
        if (quote && *c == '\\' && c[1])
            c++;
        else if (quote)
            quote = *c == quote ? '\0' : quote;
        else if (*c == '"' || *c == '\'')
            quote = *c;
        else
            depth += (*c == '{') - (*c == '}');
    }
    return depth;
}

// The line after what begins at this one: where all braces are closed and a ';'
// or '}' ends the code.
static size_t find_end(const Source *source, size_t begin) {
    int depth = 0;
    for (size_t i = begin; i < source->lines.count; i++) {
        char last;
        depth += count_braces(source->lines.line[i], &last);
        if (depth <= 0 && (last == ';' || last == '}'))
            return i + 1;
    }
    return source->lines.count;
}

// A macro goes on while its lines end in '\'.
static size_t find_macro_end(const Source *source, size_t begin) {
    size_t end = begin + 1;
    while (end < source->lines.count &&
           ends_with(source->lines.line[end - 1], "\\"))
        end++;
    return end;
}

// A line that what follows belongs to: a return type on its own, or the
// comment above.
static bool belongs_below(const char *line) {
    if (is_comment(line))
        return true;
    char last;
    count_braces(line, &last);
    return line[0] && line[0] != '#' && line[0] != ' ' && last != ';' &&
           last != '}';
}

static void take_what_is_above(Part *part) {
    while (part->begin > 0 && belongs_below(line_of(part, part->begin - 1)))
        part->begin--;
}

// --- What ctags finds --------------------------------------------------------

static Definition *add(Sources *sources, const char *name, const char *kind,
                       const Source *source, size_t begin, size_t end) {
    sources->definitions =
        keep_more(sources->arena, sources->definitions, sources->n_definitions,
                  sizeof *sources->definitions);
    Definition *new = &sources->definitions[sources->n_definitions++];
    *new = (Definition){.name = keep_text(sources->arena, name, strlen(name)),
                        .kind = keep_text(sources->arena, kind, strlen(kind)),
                        .part = {source, begin, end},
                        .line = begin + 1};
    return new;
}

static bool is_include_guard(const char *name, const Source *source,
                             size_t line) {
    const char *text = source->lines.line[line];
    const char *found = strstr(text, name);
    return found && found[strlen(name)] == '\0' && line > 0 &&
           begins_with(source->lines.line[line - 1], "#ifndef ");
}

enum { TAG_FIELDS = 5 };

static bool cut_fields(char *field[TAG_FIELDS], char *line, Error *err) {
    field[0] = line;
    for (int i = 1; i < TAG_FIELDS; i++) {
        field[i] = strchr(field[i - 1], '\t');
        if (!field[i])
            return fail(err, "ctags: wanted %d fields, found '%s'", TAG_FIELDS,
                        line);
        *field[i]++ = '\0';
    }
    return true;
}

// One line of ctags: name, kind, file, first line, last line or nothing.
static bool add_tag(Sources *sources, char *line, Error *err) {
    char *field[TAG_FIELDS] = {0};
    if (!cut_fields(field, line, err))
        return false;
    const char *name = field[0], *kind = field[1];
    const Source *source;
    if (!sources_file(&source, sources, field[2], err))
        return false;
    size_t begin = strtoul(field[3], NULL, 10);
    size_t end = strtoul(field[4], NULL, 10);
    if (begin == 0 || begin > source->lines.count || end > source->lines.count)
        return fail(err, "%s: wanted line %zu, found %zu lines", field[2],
                    begin, source->lines.count);
    begin--;
    bool macro = strcmp(kind, "macro") == 0;
    if (macro && is_include_guard(name, source, begin))
        return true;
    // Criterion's macro looks like a function, to whom does not know it.
    if (strcmp(name, "Test") == 0 || strcmp(name, "ParameterizedTest") == 0)
        return true;
    if (macro)
        end = find_macro_end(source, begin);
    else if (end < begin + 1)
        end = find_end(source, begin);
    add(sources, name, kind, source, begin, end);
    return true;
}

static bool run_ctags(Sources *sources, Error *err) {
    Text command = {.arena = sources->arena};
    text_printf(&command, "ctags --quiet --options=NONE -x --sort=no "
                          "--language-force=C --kinds-C=+px-m "
                          "'--_xformat=%%N\t%%K\t%%F\t%%n\t%%e' --fields=+ne");
    for (size_t i = 0; i < sources->n_files; i++)
        if (is_c(sources->files[i]->path))
            text_printf(&command, " '%s'", sources->files[i]->path);
    FILE *pipe = popen(command.bytes, "r");
    if (!pipe)
        return fail(err, "ctags: wanted to run it, found: %s", strerror(errno));
    char line[4096];
    bool ok = true;
    while (ok && fgets(line, sizeof line, pipe)) {
        line[strcspn(line, "\n")] = '\0';
        ok = add_tag(sources, line, err);
    }
    int status = pclose(pipe);
    if (ok && status != 0)
        return fail(err,
                    "ctags: wanted universal-ctags to end well, found status "
                    "%d; make setup installs it",
                    status);
    return ok;
}

// --- Tests -------------------------------------------------------------------

// Criterion's Test(suite, name) { .. } is suite.name; a ParameterizedTest names
// its parameter first.
static void add_tests(Sources *sources, const Source *source) {
    for (size_t i = 0; i < source->lines.count; i++) {
        const char *line = source->lines.line[i];
        char suite[64], name[64];
        if (sscanf(line, "Test(%63[a-z_0-9], %63[a-zA-Z_0-9]", suite, name) !=
                2 &&
            sscanf(line,
                   "ParameterizedTest(%*[^,], %63[a-z_0-9], %63[a-zA-Z_0-9]",
                   suite, name) != 2)
            continue;
        size_t end = i;
        while (end < source->lines.count &&
               strcmp(source->lines.line[end], "}") != 0)
            end++;
        if (end == source->lines.count)
            continue;
        char *full = keep_printf(sources->arena, "%s.%s", suite, name);
        add(sources, full, "test", source, i, end + 1);
        i = end;
    }
}

// --- One definition, several names -------------------------------------------

// `typedef struct { .. } Scan;` is two tags: the struct, which knows where it
// begins, and the name, on the line where the struct ends. So is a table,
// `struct { .. } verbs[] = { .. };`.
static void join_bodies(Sources *sources) {
    for (size_t i = 0; i < sources->n_definitions; i++) {
        Definition *type = &sources->definitions[i];
        if (strcmp(type->kind, "typedef") != 0 &&
            strcmp(type->kind, "variable") != 0)
            continue;
        for (size_t j = 0; j < sources->n_definitions; j++) {
            const Definition *body = &sources->definitions[j];
            if (body->part.source == type->part.source &&
                body->part.end == type->line &&
                body->part.begin < type->part.begin)
                type->part.begin = body->part.begin;
        }
    }
}

static bool is_inside(const Part *inner, const Part *outer) {
    return inner->source == outer->source && inner->begin >= outer->begin &&
           inner->end <= outer->end;
}

// How well a name stands for its lines: the typedef before the struct's own
// name, a name of our own before one that ctags made up.
static int rank(const Definition *definition) {
    if (strcmp(definition->kind, "prototype") == 0 ||
        strcmp(definition->kind, "externvar") == 0)
        return 0;
    if (begins_with(definition->name, "__anon"))
        return 0;
    if (strcmp(definition->kind, "enumerator") == 0)
        return 1;
    return strcmp(definition->kind, "typedef") == 0 ? 3 : 2;
}

// What is defined inside a function, or inside a test, is its own business.
static bool is_local(const Sources *sources, const Definition *definition) {
    for (size_t i = 0; i < sources->n_definitions; i++) {
        const Definition *outer = &sources->definitions[i];
        if (outer != definition && is_inside(&definition->part, &outer->part) &&
            (strcmp(outer->kind, "function") == 0 ||
             strcmp(outer->kind, "test") == 0))
            return true;
    }
    return false;
}

static void drop_locals(Sources *sources) {
    size_t kept = 0;
    for (size_t i = 0; i < sources->n_definitions; i++)
        sources->definitions[i].local =
            is_local(sources, &sources->definitions[i]);
    for (size_t i = 0; i < sources->n_definitions; i++)
        if (!sources->definitions[i].local)
            sources->definitions[kept++] = sources->definitions[i];
    sources->n_definitions = kept;
}

// A name inside a larger definition stands for that one: an enumerator for its
// enum.
static void widen(Sources *sources) {
    for (size_t i = 0; i < sources->n_definitions; i++) {
        Definition *one = &sources->definitions[i];
        for (size_t j = 0; j < sources->n_definitions; j++) {
            const Part *outer = &sources->definitions[j].part;
            if (is_inside(&one->part, outer) && !is_inside(outer, &one->part))
                one->part = *outer;
        }
    }
}

// Of the names of the same lines the best, and of those the first, is wanted.
static void choose_wanted(Sources *sources) {
    for (size_t i = 0; i < sources->n_definitions; i++) {
        Definition *one = &sources->definitions[i];
        one->wanted =
            begins_with(one->part.source->path, "src/") && rank(one) > 0;
        for (size_t j = 0; one->wanted && j < sources->n_definitions; j++) {
            const Definition *other = &sources->definitions[j];
            if (i == j || !is_inside(&one->part, &other->part) ||
                !is_inside(&other->part, &one->part))
                continue;
            bool better =
                rank(other) > rank(one) || (rank(other) == rank(one) && j < i);
            if (better && rank(other) > 0)
                one->wanted = false;
        }
    }
}

// --- All of them -------------------------------------------------------------

// What is not C has no names in it: the file is one definition.
static void add_whole(Sources *sources, const Source *source) {
    Definition *file =
        add(sources, source->path, "file", source, 0, source->lines.count);
    file->wanted = begins_with(source->path, "src/");
}

bool sources_read(Sources *sources, Arena *arena, Error *err) {
    *sources = (Sources){.arena = arena};
    if (!read_files(sources, err) || !run_ctags(sources, err))
        return false;
    if (sources->n_definitions == 0)
        return fail(err, "ctags: wanted names in the C files, found none");
    for (size_t i = 0; i < sources->n_files; i++)
        if (is_c(sources->files[i]->path))
            add_tests(sources, sources->files[i]);
    join_bodies(sources);
    drop_locals(sources);
    widen(sources);
    choose_wanted(sources);
    for (size_t i = 0; i < sources->n_definitions; i++)
        take_what_is_above(&sources->definitions[i].part);
    for (size_t i = 0; i < sources->n_files; i++)
        if (!is_c(sources->files[i]->path))
            add_whole(sources, sources->files[i]);
    return true;
}

// --- Finding -----------------------------------------------------------------

Definition *sources_find(Sources *sources, const char *path, const char *name) {
    Definition *found = NULL;
    for (size_t i = 0; i < sources->n_definitions; i++) {
        Definition *one = &sources->definitions[i];
        if (strcmp(one->name, name) == 0 &&
            strcmp(one->part.source->path, path) == 0 &&
            (!found || rank(one) > rank(found)))
            found = one;
    }
    return found;
}

bool sources_has_function(const Sources *sources, const char *name) {
    for (size_t i = 0; i < sources->n_definitions; i++) {
        const Definition *one = &sources->definitions[i];
        if (strcmp(one->name, name) == 0 &&
            (strcmp(one->kind, "function") == 0 ||
             strcmp(one->kind, "macro") == 0 ||
             strcmp(one->kind, "prototype") == 0))
            return true;
    }
    return false;
}

// The lines begin..end-1 of the comment that this line belongs to.
static void comment_around(const Part *part, size_t line, size_t *begin,
                           size_t *end) {
    size_t indent = indentation(line_of(part, line));
    for (*begin = line; *begin > part->begin; --*begin)
        if (!is_comment(line_of(part, *begin - 1)) ||
            indentation(line_of(part, *begin - 1)) != indent)
            break;
    *end = line + 1;
    while (*end < part->end && is_comment(line_of(part, *end)))
        ++*end;
}

// Where what stands under a comment of this indentation ends.
static size_t block_end(const Part *part, size_t begin, size_t indent) {
    size_t end = begin;
    for (; end < part->end; end++) {
        const char *line = line_of(part, end);
        if (is_blank(line) || line[0] == '#')
            continue;
        if (indentation(line) < indent ||
            (indentation(line) == indent && is_comment(line)))
            break;
    }
    while (end > begin && is_blank(line_of(part, end - 1)))
        end--;
    return end;
}

size_t part_under(Part *part, const char *comment) {
    size_t found = 0, begin = 0, end = 0;
    for (size_t i = part->begin; i < part->end; i++) {
        if (!is_comment(line_of(part, i)) || !strstr(line_of(part, i), comment))
            continue;
        // The first comment is the one; others are counted.
        size_t its_begin, its_end;
        comment_around(part, i, &its_begin, &its_end);
        if (found++ == 0) {
            begin = its_begin;
            end = its_end;
        }
        i = its_end - 1;
    }
    if (found == 1) {
        size_t indent = indentation(line_of(part, begin));
        *part = (Part){part->source, begin, block_end(part, end, indent)};
    }
    return found;
}
