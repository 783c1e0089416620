// The command line: every kind of option, and one clear line for every wrong
// one.
#include "options.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "compare.h"
#include "failing_memory.h"

TestSuite(options, .fini = nothing_leaks);

enum { MOST_WORDS = 8 };

// A command line's words, behind the program's name.
typedef struct {
    char *word[MOST_WORDS];
} Words;

// Where the options of the tests go.
typedef struct {
    bool verbose;
    const char *model;
    size_t length;
    uint64_t seed;
    double temperature;
    float numbers[3];
    size_t n_numbers;
    const char *operands[2];
} Settings;

// What came of one command line.
typedef struct {
    int status;
    Settings settings;
    Captured printed;
} Outcome;

// Parses the words behind "scan" with a table of every kind of option, and n
// operands.
static Outcome parse(Words words, const char *operand_names, size_t n) {
    Outcome outcome = {.settings = {.model = "default",
                                    .length = 8,
                                    .seed = 42,
                                    .temperature = 0.5,
                                    .numbers = {7, 8}}};
    Settings *s = &outcome.settings;
    NumberList list = {.numbers = s->numbers, .most = 3, .count = 2};
    const Option options[] = {
        {"verbose", 'v', OPTION_FLAG, &s->verbose, NULL, "say more", 0, 0},
        {"model", 'm', OPTION_TEXT, &s->model, "DIR", "the model", 0, 0},
        {"length", 'n', OPTION_COUNT, &s->length, "L", "how many", 1, 1000},
        {"seed", 0, OPTION_SEED, &s->seed, "SEED", "of the numbers", 0, 0},
        {"temperature", 't', OPTION_NUMBER, &s->temperature, "T", "how hot",
         -1.5, 2},
        {"x", 'x', OPTION_LIST, &list, "X,..", "the inputs", -10, 10},
    };
    const CommandLine line = {.program = "test scan",
                              .summary = "Tests the command line.",
                              .operand_names = operand_names,
                              .n_operands = n,
                              .options = options,
                              .n_options = sizeof options / sizeof *options};

    char program[] = "scan", *argv[MOST_WORDS + 2] = {program};
    int argc = 1;
    for (; words.word[argc - 1]; argc++)
        argv[argc] = words.word[argc - 1];
    capture_begin(&outcome.printed);
    outcome.status = options_parse(&line, argc, argv, s->operands);
    capture_end(&outcome.printed);
    s->n_numbers = list.count;
    return outcome;
}

// Parses words that are right: nothing is printed.
static Settings right(Words words) {
    Outcome outcome = parse(words, NULL, 0);
    cr_assert_eq(outcome.status, OPTIONS_CONTINUE, "%s: found status %d: %s",
                 words.word[0], outcome.status, outcome.printed.err);
    cr_assert_str_eq(outcome.printed.out, "");
    cr_assert_str_eq(outcome.printed.err, "");
    return outcome.settings;
}

// Parses words that are wrong: the line on stderr says this.
static void wrong(Words words, const char *says) {
    Outcome outcome = parse(words, NULL, 0);
    Label wanted = label("test: %s (try 'test scan --help')\n", says);
    cr_assert_str_eq(outcome.printed.err, wanted.text);
    cr_assert_str_eq(outcome.printed.out, "");
    cr_assert_eq(outcome.status, OPTIONS_WRONG,
                 "%s: wanted status %d, found %d", says, OPTIONS_WRONG,
                 outcome.status);
}

// --- Right -------------------------------------------------------------------

Test(options, nothing_said_leaves_the_defaults) {
    Settings s = right((Words){{NULL}});
    cr_assert(!s.verbose);
    cr_assert_str_eq(s.model, "default");
    cr_assert_eq(s.length, 8);
    cr_assert_eq(s.seed, 42);
    cr_assert_eq(s.temperature, 0.5);
    cr_assert_eq(s.n_numbers, 2);
    cr_assert(s.numbers[0] == 7 && s.numbers[1] == 8);
}

Test(options, every_kind_is_read) {
    Settings s = right((Words){{"--verbose", "--model", "a b", "--length=1000",
                                "--seed", "7", "--temperature=-1.5"}});
    cr_assert(s.verbose);
    cr_assert_str_eq(s.model, "a b");
    cr_assert_eq(s.length, 1000);
    cr_assert_eq(s.seed, 7);
    cr_assert_eq(s.temperature, -1.5);
}

Test(options, lists_are_numbers_with_commas_between_them) {
    Settings s = right((Words){{"-x", "1,-2.5,1e-3"}});
    cr_assert_eq(s.n_numbers, 3);
    cr_assert(s.numbers[0] == 1 && s.numbers[1] == -2.5f);
    cr_assert_eq(s.numbers[2], 1e-3f);
    s = right((Words){{"--x=-10"}});
    cr_assert_eq(s.n_numbers, 1);
    cr_assert_eq(s.numbers[0], -10);
}

Test(options, letters_are_short_names) {
    Settings s = right((Words){{"-v", "-m", "dir", "-n1", "-t", "2"}});
    cr_assert(s.verbose);
    cr_assert_str_eq(s.model, "dir");
    cr_assert_eq(s.length, 1);
    cr_assert_eq(s.temperature, 2);
}

Test(options, a_clear_beginning_is_enough) {
    Settings s = right((Words){{"--verb", "--len", "9", "--temp=1e-1"}});
    cr_assert(s.verbose);
    cr_assert_eq(s.length, 9);
    cr_assert_eq(s.temperature, 0.1);
}

Test(options, the_last_word_counts) {
    Settings s = right((Words){{"--length", "3", "--length", "4"}});
    cr_assert_eq(s.length, 4);
}

Test(options, a_text_may_be_empty_or_look_like_an_option) {
    cr_assert_str_eq(right((Words){{"--model", ""}}).model, "");
    cr_assert_str_eq(right((Words){{"--model", "--verbose"}}).model,
                     "--verbose");
    cr_assert_str_eq(right((Words){{"--model=--"}}).model, "--");
}

Test(options, a_seed_is_any_64_bits) {
    cr_assert_eq(right((Words){{"--seed", "18446744073709551615"}}).seed,
                 UINT64_MAX);
    cr_assert_eq(right((Words){{"--seed", "0"}}).seed, 0);
    cr_assert_eq(right((Words){{"--seed", "007"}}).seed, 7);
}

Test(options, can_be_read_twice_in_one_process) {
    right((Words){{"-v", "--length", "3"}});
    cr_assert_eq(right((Words){{"--length", "5"}}).length, 5);
}

// --- Wrong -------------------------------------------------------------------

Test(options, wrong_counts) {
    static char *const values[] = {
        "0",  "1001", "-1",  "+1",   "",    "abc",
        "1x", " 1",   "1.5", "0x10", "1e2", "99999999999999999999999"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        wrong((Words){{"--length", values[i]}},
              label("--length: wanted a whole number from 1 to 1000, "
                    "found '%s'",
                    values[i])
                  .text);
}

Test(options, wrong_seeds) {
    static char *const values[] = {
        "18446744073709551616", "-1", "", "abc", "1x", "1.5"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        wrong((Words){{"--seed", values[i]}},
              label("--seed: wanted a whole number below 2^64, found '%s'",
                    values[i])
                  .text);
}

Test(options, wrong_numbers) {
    static char *const values[] = {"2.0001", "-1.6", "nan", "inf",  "-inf",
                                   "",       "abc",  "1x",  "1e400"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        wrong((Words){{"--temperature", values[i]}},
              label("--temperature: wanted a number from -1.5 to 2, "
                    "found '%s'",
                    values[i])
                  .text);
}

Test(options, wrong_lists) {
    static char *const values[] = {"",     ",",     "1,",      ",1",
                                   "1,,2", "1;2",   "1,2,3,4", "1,11",
                                   "nan",  "1,inf", "1 2",     "1,x"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        wrong((Words){{"--x", values[i]}},
              label("--x: wanted 1 to 3 numbers from -10 to 10 with commas "
                    "between them, found '%s'",
                    values[i])
                  .text);
}

Test(options, a_wrong_value_is_not_stored) {
    Outcome outcome = parse((Words){{"--length", "0"}}, NULL, 0);
    cr_assert_eq(outcome.settings.length, 8);
    outcome = parse((Words){{"--temperature", "3"}}, NULL, 0);
    cr_assert_eq(outcome.settings.temperature, 0.5);
    outcome = parse((Words){{"--x", "1,2,11"}}, NULL, 0);
    cr_assert_eq(outcome.settings.n_numbers, 2);
    cr_assert_eq(outcome.settings.numbers[0], 7);
}

Test(options, wrong_words) {
    wrong((Words){{"--colour"}}, "--colour: wanted a known option, found this");
    wrong((Words){{"--colour=red"}},
          "--colour=red: wanted a known option, found this");
    wrong((Words){{"--length"}}, "--length: wanted a value, found none");
    wrong((Words){{"-n"}}, "-n: wanted a value, found none");
    wrong((Words){{"--model"}}, "--model: wanted a value, found none");
    wrong((Words){{"-y"}}, "-y: wanted a known option, found this");
}

Test(options, a_flag_takes_no_value) {
    Outcome outcome = parse((Words){{"--verbose=yes"}}, NULL, 0);
    cr_assert_eq(outcome.status, OPTIONS_WRONG);
    cr_assert(strstr(outcome.printed.err, "--verbose=yes"));
    cr_assert(!outcome.settings.verbose);
}

Test(options, what_is_wrong_stays_one_line) {
    Outcome outcome = parse((Words){{"--length", "1\n\033[2J"}}, NULL, 0);
    cr_assert_eq(outcome.status, OPTIONS_WRONG);
    size_t length = strlen(outcome.printed.err);
    cr_assert_eq(strcspn(outcome.printed.err, "\n"), length - 1);
    cr_assert(strstr(outcome.printed.err, "found '1??[2J'"));
}

// --- Operands ----------------------------------------------------------------

Test(options, operands_stand_anywhere_between_options) {
    Outcome outcome =
        parse((Words){{"a", "--length", "2", "b", "-v"}}, "IN OUT", 2);
    cr_assert_eq(outcome.status, OPTIONS_CONTINUE);
    cr_assert_str_eq(outcome.settings.operands[0], "a");
    cr_assert_str_eq(outcome.settings.operands[1], "b");
    cr_assert_eq(outcome.settings.length, 2);
    cr_assert(outcome.settings.verbose);
}

Test(options, two_dashes_end_the_options) {
    Outcome outcome =
        parse((Words){{"--length", "2", "--", "-v", "--b"}}, "IN OUT", 2);
    cr_assert_eq(outcome.status, OPTIONS_CONTINUE);
    cr_assert_str_eq(outcome.settings.operands[0], "-v");
    cr_assert_str_eq(outcome.settings.operands[1], "--b");
    cr_assert(!outcome.settings.verbose);
}

// Words that are too few or too many for two operands.
static void wrong_operands(Words words, const char *says) {
    Outcome outcome = parse(words, "IN OUT", 2);
    Label wanted = label("test: arguments: wanted IN OUT, found %s (try 'test "
                         "scan --help')\n",
                         says);
    cr_assert_eq(outcome.status, OPTIONS_WRONG);
    cr_assert_str_eq(outcome.printed.err, wanted.text);
    cr_assert_null(outcome.settings.operands[0]);
}

Test(options, exactly_as_many_operands_are_wanted) {
    wrong_operands((Words){{NULL}}, "0");
    wrong_operands((Words){{"a"}}, "1, beginning with 'a'");
    wrong_operands((Words){{"a", "b", "c"}}, "3, beginning with 'a'");
    wrong((Words){{"stray"}},
          "arguments: wanted no more, found 1, beginning with 'stray'");
}

// --- Help --------------------------------------------------------------------

Test(options, help_lists_every_option) {
    Outcome outcome = parse((Words){{"--help"}}, "IN OUT", 2);
    cr_assert_eq(outcome.status, OPTIONS_HELP);
    cr_assert_str_eq(outcome.printed.err, "");
    cr_assert_str_eq(outcome.printed.out,
                     "Usage: test scan [OPTION]... IN OUT\n"
                     "Tests the command line.\n"
                     "\n"
                     "  -v, --verbose            say more\n"
                     "  -m, --model DIR          the model\n"
                     "  -n, --length L           how many\n"
                     "      --seed SEED          of the numbers\n"
                     "  -t, --temperature T      how hot\n"
                     "  -x, --x X,..             the inputs\n"
                     "      --help               show this help\n");
}

Test(options, help_without_options_or_operands) {
    char program[] = "x", help[] = "--help", *argv[] = {program, help, NULL};
    CommandLine line = {.program = "x", .summary = "Nothing."};
    Captured printed;
    capture_begin(&printed);
    int status = options_parse(&line, 2, argv, NULL);
    capture_end(&printed);
    cr_assert_eq(status, OPTIONS_HELP);
    cr_assert_str_eq(printed.out,
                     "Usage: x\nNothing.\n\n"
                     "      --help               show this help\n");
}

// Files may not grow at all, as on a full disk; so stderr, which is a file
// here, stays empty too.
Test(options, help_that_cannot_be_written_has_failed) {
    struct rlimit limit, full;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    full = limit;
    full.rlim_cur = 0;
    setrlimit(RLIMIT_FSIZE, &full);
    Outcome outcome = parse((Words){{"--help"}}, NULL, 0);
    setrlimit(RLIMIT_FSIZE, &limit);
    cr_assert_eq(outcome.status, OPTIONS_FAILED);
}

Test(options, what_only_the_program_sees_is_wrong_in_the_same_words) {
    const CommandLine line = {.program = "test scan", .summary = "Tests."};
    Error err;
    Captured printed;
    fail(&err, "--in: wanted 3, found 4");
    capture_begin(&printed);
    int status = options_wrong(&line, &err);
    capture_end(&printed);
    cr_assert_eq(status, OPTIONS_WRONG);
    cr_assert_str_eq(printed.err, "test: --in: wanted 3, found 4 (try 'test "
                                  "scan --help')\n");
    cr_assert_str_eq(printed.out, "");
}

Test(options, what_is_wrong_before_help_is_told) {
    wrong((Words){{"--length", "0", "--help"}},
          "--length: wanted a whole number from 1 to 1000, found '0'");
}
