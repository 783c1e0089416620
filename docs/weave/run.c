#include "run.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"

// --- Sections and values -----------------------------------------------------

static const char measured_mark[] = " (measured here)";

static bool add_section(Run *run, Arena *arena, const char *line, Error *err) {
    const char *colon = strstr(line, ": ");
    if (!colon)
        return fail(err, "%s: wanted '== name: title', found '%s'", run->name,
                    line);
    const char *title = colon + 2;
    size_t size = strlen(title), mark = strlen(measured_mark);
    bool measured =
        size > mark && strcmp(title + size - mark, measured_mark) == 0;
    const char *name = keep_text(arena, line + 3, (size_t)(colon - line) - 3);
    if (run_section(run, name))
        return fail(err, "%s: wanted one section '%s', found two", run->name,
                    name);
    run->sections =
        keep_more(arena, run->sections, run->n_sections, sizeof *run->sections);
    run->sections[run->n_sections++] =
        (Section){.name = name,
                  .title = keep_text(arena, title, size - measured * mark),
                  .measured = measured};
    return true;
}

const char *value_text(const char *line, size_t *name_size) {
    size_t n = strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789-");
    *name_size = n;
    return n > 0 && islower((unsigned char)line[0]) &&
                   begins_with(line + n, " = ")
               ? line + n + 3
               : NULL;
}

static void add_value(Run *run, Arena *arena, const char *line, bool measured) {
    size_t name_size;
    const char *text = value_text(line, &name_size);
    if (!text)
        return;
    const char *name = keep_text(arena, line, name_size);
    for (size_t i = 0; i < run->n_values; i++)
        if (strcmp(run->values[i].name, name) == 0) {
            run->values[i].ambiguous |= strcmp(run->values[i].text, text) != 0;
            return;
        }
    run->values =
        keep_more(arena, run->values, run->n_values, sizeof *run->values);
    run->values[run->n_values++] =
        (Value){.name = name, .text = text, .measured = measured};
}

// Without the empty lines at its two ends.
static void trim(const Run *run, Section *section) {
    while (section->begin < section->end &&
           is_blank(run->lines.line[section->begin]))
        section->begin++;
    while (section->end > section->begin &&
           is_blank(run->lines.line[section->end - 1]))
        section->end--;
}

bool run_read(Run *run, Arena *arena, const char *directory, const char *name,
              Error *err) {
    *run = (Run){.name = keep_text(arena, name, strlen(name))};
    const char *path = keep_printf(arena, "%s/%s.txt", directory, name);
    if (!lines_read(&run->lines, arena, path, err))
        return false;
    for (size_t i = 0; i < run->lines.count; i++) {
        const char *line = run->lines.line[i];
        Section *current =
            run->n_sections ? &run->sections[run->n_sections - 1] : NULL;
        if (begins_with(line, "== ")) {
            if (!add_section(run, arena, line, err))
                return false;
            current = &run->sections[run->n_sections - 1];
            current->begin = i + 1;
        } else
            add_value(run, arena, line, current && current->measured);
        if (current)
            current->end = i + 1;
    }
    for (size_t i = 0; i < run->n_sections; i++)
        trim(run, &run->sections[i]);
    return true;
}

const Section *run_section(const Run *run, const char *name) {
    for (size_t i = 0; i < run->n_sections; i++)
        if (strcmp(run->sections[i].name, name) == 0)
            return &run->sections[i];
    return NULL;
}

const Value *run_value(const Run *run, const char *name) {
    for (size_t i = 0; i < run->n_values; i++)
        if (strcmp(run->values[i].name, name) == 0)
            return &run->values[i];
    return NULL;
}

// --- A value in a reader's form ----------------------------------------------

// 129135360 as 129,135,360.
static const char *grouped(Arena *arena, double number) {
    const char *digits = keep_printf(arena, "%.0f", fabs(number));
    Text text = {.arena = arena};
    if (number < 0)
        text_add(&text, "-", 1);
    for (size_t n = strlen(digits), i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            text_add(&text, ",", 1);
        text_add(&text, digits + i, 1);
    }
    return text.bytes;
}

// 1.2e-05 as 1.2·10⁻⁵.
static const char *with_power(Arena *arena, const char *scientific) {
    static const char *const raised[] = {"⁰", "¹", "²", "³", "⁴",
                                         "⁵", "⁶", "⁷", "⁸", "⁹"};
    const char *e = strchr(scientific, 'e');
    if (!e)
        return scientific;
    Text text = {.arena = arena};
    text_add(&text, scientific, (size_t)(e - scientific));
    text_printf(&text, "·10%s", e[1] == '-' ? "⁻" : "");
    for (const char *digit = keep_printf(arena, "%d", abs(atoi(e + 1))); *digit;
         digit++)
        text_printf(&text, "%s", raised[*digit - '0']);
    return text.bytes;
}

bool value_format(const char **formatted, Arena *arena, const char *text,
                  const char *format, Error *err) {
    *formatted = text;
    if (!*format)
        return true;
    char *rest;
    double number = strtod(text, &rest);
    if (rest == text || !is_blank(rest))
        return fail(err, "wanted a number for the format %s, found '%s'",
                    format, text);
    char kind = '\0', after = '\0';
    int digits = 0;
    if (strcmp(format, "%'d") == 0)
        *formatted = grouped(arena, number);
    else if (sscanf(format, "%%.%2d%c%c", &digits, &kind, &after) == 2 &&
             digits >= 0 && kind == 'f')
        *formatted = keep_printf(arena, "%.*f", digits, number);
    else if (kind == 'g' && !after && digits >= 0)
        *formatted =
            with_power(arena, keep_printf(arena, "%.*g", digits, number));
    else if (kind == 'e' && !after && digits >= 0)
        *formatted =
            with_power(arena, keep_printf(arena, "%.*e", digits, number));
    else
        return fail(err,
                    "wanted a format %%.Nf, %%.Ng, %%.Ne or %%'d, found '%s'",
                    format);
    return true;
}

// --- The same, or not --------------------------------------------------------

// Does a number begin here?
static bool number_begins(const char *c) {
    return isdigit((unsigned char)*c) ||
           ((*c == '-' || *c == '+' || *c == '.') &&
            isdigit((unsigned char)c[1]));
}

// 12, and 0x1f.
static bool is_whole(const char *begin, const char *end) {
    return begin + strspn(begin, "+-0123456789") >= end ||
           memchr(begin, 'x', (size_t)(end - begin));
}

static bool has_exponent(const char *begin, const char *end) {
    return memchr(begin, 'e', (size_t)(end - begin));
}

// Reads a number from each: whole ones are the same where their digits are,
// others where they are close.
static bool same_number(const char **one, const char **other) {
    char *end_one, *end_other;
    double a = strtod(*one, &end_one), b = strtod(*other, &end_other);
    size_t size = (size_t)(end_one - *one);
    bool whole = is_whole(*one, end_one) && is_whole(*other, end_other);
    bool same_digits = end_other - *other == end_one - *one &&
                       strncmp(*one, *other, size) == 0;
    bool exponent =
        has_exponent(*one, end_one) || has_exponent(*other, end_other);
    *one = end_one;
    *other = end_other;
    // A double has too few digits for the longest whole numbers.
    if (whole)
        return same_digits;
    double difference = fabs(a - b);
    return a == b || difference <= 1e-3 * fabs(a) ||
           (!exponent && difference <= 1e-6);
}

bool same_line(const char *one, const char *other) {
    while (*one && *other) {
        if (*one == ' ' || *other == ' ') {
            // A run of blanks is as good as another.
            if (*one != *other && !number_begins(one) && !number_begins(other))
                return false;
            one += strspn(one, " ");
            other += strspn(other, " ");
        } else if (number_begins(one) && number_begins(other)) {
            if (!same_number(&one, &other))
                return false;
        } else if (*one++ != *other++)
            return false;
    }
    return is_blank(one) && is_blank(other);
}
