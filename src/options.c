#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_OPTIONS = 48, HELP_CODE = 1000 };

// How long the first word is: of "minimamba scan", the program's name.
static int word_length(const char *text) {
    return (int)strcspn(text, " ");
}

// Prints the usage line, the summary and a line for each option.
static int print_help(const CommandLine *line) {
    printf("Usage: %s%s%s%s\n%s\n\n", line->program,
           line->n_options ? " [OPTION]..." : "",
           line->operand_names ? " " : "",
           line->operand_names ? line->operand_names : "", line->summary);
    for (size_t i = 0; i < line->n_options; i++) {
        const Option *option = &line->options[i];
        char left[64];
        char letter[5] = "    ";
        if (option->letter)
            snprintf(letter, sizeof letter, "-%c, ", option->letter);
        snprintf(left, sizeof left, "%s--%s%s%s", letter, option->name,
                 option->value ? " " : "", option->value ? option->value : "");
        printf("  %-24s %s\n", left, option->help);
    }
    printf("  %-24s %s\n", "    --help", "show this help");
    if (fflush(stdout) == 0)
        return OPTIONS_HELP;
    fprintf(stderr,
            "%.*s: standard output: wanted to write the help, found: %s\n",
            word_length(line->program), line->program, strerror(errno));
    return OPTIONS_FAILED;
}

// A whole number without sign, of which strtoull alone would accept "-1".
static bool parse_whole(const char *text, uint64_t *number) {
    if (!isdigit((unsigned char)text[0]))
        return false;
    char *end;
    errno = 0;
    unsigned long long parsed = strtoull(text, &end, 10);
    *number = parsed;
    return *end == '\0' && errno == 0;
}

static bool parse_count(const Option *option, const char *text, Error *err) {
    uint64_t number;
    if (!parse_whole(text, &number) || (double)number < option->least ||
        (double)number > option->most)
        return fail(err,
                    "--%s: wanted a whole number from %.0f to %.0f, found '%s'",
                    option->name, option->least, option->most, text);
    *(size_t *)option->target = (size_t)number;
    return true;
}

static bool parse_seed(const Option *option, const char *text, Error *err) {
    uint64_t number;
    if (!parse_whole(text, &number))
        return fail(err, "--%s: wanted a whole number below 2^64, found '%s'",
                    option->name, text);
    *(uint64_t *)option->target = number;
    return true;
}

static bool parse_number(const Option *option, const char *text, Error *err) {
    char *end;
    double number = strtod(text, &end);
    // Written so that NaN fails.
    bool inside = number >= option->least && number <= option->most;
    if (end == text || *end != '\0' || !inside)
        return fail(err, "--%s: wanted a number from %g to %g, found '%s'",
                    option->name, option->least, option->most, text);
    *(double *)option->target = number;
    return true;
}

// "1,2.5,-3" into the list, which keeps its numbers where the text is wrong.
static bool parse_list(const Option *option, const char *text, Error *err) {
    NumberList *list = option->target;
    size_t count = 0;
    // Once to see that all of it is right, once to take it.
    for (int writing = 0; writing < 2; writing++) {
        const char *next = text;
        for (count = 0; count == 0 || *next++ == ','; count++) {
            char *end;
            double number = strtod(next, &end);
            // Written so that NaN fails.
            bool inside = number >= option->least && number <= option->most;
            if (end == next || !inside || count == list->most ||
                (*end != ',' && *end != '\0'))
                return fail(err,
                            "--%s: wanted 1 to %zu numbers from %g to %g with "
                            "commas between them, found '%s'",
                            option->name, list->most, option->least,
                            option->most, text);
            if (writing)
                list->numbers[count] = (float)number;
            next = end;
        }
    }
    list->count = count;
    return true;
}

// Puts the option's value, or true for a flag, where it belongs.
static bool parse_value(const Option *option, const char *text, Error *err) {
    switch (option->kind) {
    case OPTION_FLAG:
        *(bool *)option->target = true;
        return true;
    case OPTION_TEXT:
        *(const char **)option->target = text;
        return true;
    case OPTION_COUNT:
        return parse_count(option, text, err);
    case OPTION_SEED:
        return parse_seed(option, text, err);
    case OPTION_NUMBER:
        return parse_number(option, text, err);
    case OPTION_LIST:
        return parse_list(option, text, err);
    }
    return fail(err, "--%s: wanted a known kind of option", option->name);
}

int options_wrong(const CommandLine *line, const Error *err) {
    fprintf(stderr, "%.*s: %s (try '%s --help')\n", word_length(line->program),
            line->program, err->text, line->program);
    return OPTIONS_WRONG;
}

// getopt's two lists of the same options: the long names and the letters.
static void fill_getopt(const CommandLine *line, struct option *longs,
                        char *letters) {
    *letters++ = ':';  // report a missing value as ':'
    for (size_t i = 0; i < line->n_options; i++) {
        const Option *option = &line->options[i];
        bool has_value = option->kind != OPTION_FLAG;
        longs[i] = (struct option){option->name,
                                   has_value ? required_argument : no_argument,
                                   NULL, HELP_CODE + 1 + (int)i};
        if (option->letter) {
            *letters++ = option->letter;
            if (has_value)
                *letters++ = ':';
        }
    }
    longs[line->n_options] =
        (struct option){"help", no_argument, NULL, HELP_CODE};
    longs[line->n_options + 1] = (struct option){0};
    *letters = '\0';
}

// The option behind getopt's code: a letter, or a long option's number.
static const Option *find_option(const CommandLine *line, int code) {
    if (code > HELP_CODE)
        return &line->options[code - HELP_CODE - 1];
    for (size_t i = 0; i < line->n_options; i++)
        if (line->options[i].letter == code)
            return &line->options[i];
    return NULL;
}

static int take_operands(const CommandLine *line, int argc, char **argv,
                         const char **operands) {
    Error err;
    size_t found = (size_t)(argc - optind);
    if (found != line->n_operands) {
        fail(&err, "arguments: wanted %s, found %zu%s%s%s",
             line->operand_names ? line->operand_names : "no more", found,
             found ? ", beginning with '" : "", found ? argv[optind] : "",
             found ? "'" : "");
        return options_wrong(line, &err);
    }
    for (size_t i = 0; i < found; i++)
        operands[i] = argv[optind + (int)i];
    return OPTIONS_CONTINUE;
}

int options_parse(const CommandLine *line, int argc, char **argv,
                  const char **operands) {
    struct option longs[MOST_OPTIONS + 2];
    char letters[2 * MOST_OPTIONS + 2];
    Error err;
    if (line->n_options > MOST_OPTIONS)
        abort();  // a programmer's mistake
    fill_getopt(line, longs, letters);

    opterr = 0;  // the messages are ours
    optind = 1;
    int code;
    while ((code = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        if (code == HELP_CODE)
            return print_help(line);
        const char *given = argv[optind - 1];
        if (code == ':') {
            fail(&err, "%s: wanted a value, found none", given);
            return options_wrong(line, &err);
        }
        const Option *option = code == '?' ? NULL : find_option(line, code);
        if (!option) {
            fail(&err, "%s: wanted a known option, found this", given);
            return options_wrong(line, &err);
        }
        if (!parse_value(option, optarg, &err))
            return options_wrong(line, &err);
    }
    return take_operands(line, argc, argv, operands);
}
