// The command line: typed GNU long options, with help made from the same table.
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

typedef enum {
    OPTION_FLAG,    // bool: --verbose
    OPTION_TEXT,    // const char *: --model DIR
    OPTION_COUNT,   // size_t: --length 8
    OPTION_SEED,    // uint64_t: --seed 42
    OPTION_NUMBER,  // double: --temperature 0.8
    OPTION_LIST,    // NumberList: --x 1,2.5,-3
} OptionKind;

// Numbers with commas between them.
typedef struct {
    float *numbers;      // (most), of which the first `count` are in use
    size_t most, count;  // at least one is wanted
} NumberList;

// One option: where its value goes, and which values are wanted.
typedef struct {
    const char *name;    // the long name, without dashes
    char letter;         // a short name, or 0
    OptionKind kind;     // says what target points to
    void *target;        // holds the default before, the value after
    const char *value;   // the value's name in the help; NULL for a flag
    const char *help;    // one line
    double least, most;  // the values wanted, for COUNT, NUMBER and LIST
} Option;

// What a command line may say.
typedef struct {
    const char *program;        // "minimamba scan": in messages and in the help
    const char *summary;        // one sentence for the help
    const char *operand_names;  // "IN OUT": what stands without a name, or NULL
    size_t n_operands;          // exactly as many are wanted
    const Option *options;
    size_t n_options;
} CommandLine;

enum {
    OPTIONS_CONTINUE = -1,
    OPTIONS_HELP = 0,
    OPTIONS_FAILED = 1,
    OPTIONS_WRONG = 2
};

// Reads the command line into the options' targets and the operands into
// operands (n_operands). Returns OPTIONS_CONTINUE, or the exit status with
// which to end: OPTIONS_HELP after --help, OPTIONS_FAILED where the help could
// not be written, OPTIONS_WRONG after a line on stderr that names the flag,
// what was wanted and what was found.
int options_parse(const CommandLine *line, int argc, char **argv,
                  const char **operands);

// The same line on stderr, with a hint at --help, for what only the program can
// see is wrong. Returns OPTIONS_WRONG.
int options_wrong(const CommandLine *line, const Error *err);

#endif
