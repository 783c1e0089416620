// The command line: what each verb prints, and what it says to wrong input.
#include "command.h"

#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoint.h"
#include "compare.h"
#include "failing_memory.h"
#include "golden.h"
#include "scratch.h"

static const char kjv_mamba[] = "chapters/06-full-model/kjv-mamba";
static const char passage[] = "chapters/06-full-model/passage.txt";

TestSuite(command, .init = scratch_begin, .fini = scratch_end);

// --- Running it --------------------------------------------------------------

enum { MOST_ARGUMENTS = 24 };

// What one run printed, and how it ended.
typedef struct {
    int status;
    char *out, *err;
    size_t out_size, err_size;
} Run;

// Sends a stream's descriptor to a file; returns a copy of the old one.
static int redirect(FILE *stream, const char *path) {
    fflush(stream);
    int saved = dup(fileno(stream));
    FILE *file = fopen(path, "w");
    cr_assert(file && saved >= 0, "cannot redirect to %s", path);
    dup2(fileno(file), fileno(stream));
    fclose(file);
    return saved;
}

static void restore(FILE *stream, int saved) {
    fflush(stream);
    clearerr(stream);
    dup2(saved, fileno(stream));
    close(saved);
}

// `minimamba` with a command line of words separated by '|', because a prompt
// has blanks in it; standard output goes to a file of the test's.
static Run run_to(const char *out, const char *words) {
    char line[1024], *argv[MOST_ARGUMENTS + 1] = {"minimamba"};
    int argc = 1;
    snprintf(line, sizeof line, "%s", words);
    for (char *word = line; word; argc++) {
        cr_assert_lt(argc, MOST_ARGUMENTS);
        argv[argc] = word;
        word = strchr(word, '|');
        if (word)
            *word++ = '\0';
    }
    int saved_out = redirect(stdout, out);
    int saved_err = redirect(stderr, scratch("err"));
    Run result = {.status = command_run(argc, argv)};
    restore(stdout, saved_out);
    restore(stderr, saved_err);
    result.err = read_bytes(scratch("err"), &result.err_size);
    return result;
}

static Run run(const char *words) {
    Run result = run_to(scratch("out"), words);
    result.out = read_bytes(scratch("out"), &result.out_size);
    return result;
}

static void run_free(Run *result) {
    free(result->out);
    free(result->err);
}

// A run that must succeed, and say nothing on standard error.
static Run run_well(const char *words) {
    Run result = run(words);
    cr_assert_eq(result.status, 0, "%s: status %d: %s", words, result.status,
                 result.err);
    cr_assert_str_empty(result.err, "%s: %s", words, result.err);
    return result;
}

// A run that must end with this status, print nothing, and leave one line of
// the right form on standard error, with this part in it.
static void run_badly(const char *words, int status, const char *part) {
    Run result = run(words);
    // An address sanitizer adds lines of its own where memory is refused.
    while (strncmp(result.err, "==", 2) == 0 && strchr(result.err, '\n')) {
        const char *rest = strchr(result.err, '\n') + 1;
        memmove(result.err, rest, strlen(rest) + 1);
    }
    cr_assert_eq(result.status, status, "%s: wanted status %d, found %d", words,
                 status, result.status);
    cr_assert_eq(result.out_size, 0, "%s: printed %s", words, result.out);
    cr_assert_eq(strncmp(result.err, "minimamba: ", 11), 0, "%s: %s", words,
                 result.err);
    char *newline = strchr(result.err, '\n');
    cr_assert(newline && newline[1] == '\0', "%s: wanted one line, found %s",
              words, result.err);
    cr_assert(strstr(result.err, "wanted") && strstr(result.err, "found"),
              "%s: %s", words, result.err);
    cr_assert(strstr(result.err, part), "%s: wanted '%s' in: %s", words, part,
              result.err);
    run_free(&result);
}

// A line of words with a scratch file's path put in.
static const char *with_path(const char *format, const char *path) {
    static char line[1024];
    char *hole = strstr(format, "%s");
    cr_assert(hole, "no place for a path in %s", format);
    snprintf(line, sizeof line, "%.*s%s%s", (int)(hole - format), format, path,
             hole + 2);
    return line;
}

// The number behind a name and a tab at the beginning of a line.
static double printed(const Run *result, const char *name) {
    for (const char *line = result->out; line && *line;) {
        size_t length = strlen(name);
        if (strncmp(line, name, length) == 0 && line[length] == '\t')
            return strtod(line + length + 1, NULL);
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    cr_assert_fail("wanted a line '%s', found:\n%s", name, result->out);
    return NAN;
}

// kjv.json, the known answers.
static cJSON *known_answers(void) {
    size_t size;
    char *text = read_bytes("tests/golden/kjv.json", &size);
    cJSON *root = cJSON_Parse(text);
    free(text);
    cr_assert(root, "kjv.json");
    return root;
}

// --- generate ----------------------------------------------------------------

// The built-in model and the one from its directory write the official texts.
Test(command, generate_is_the_official_text) {
    static const char *const models[] = {
        "generate|-n|160|--prompt|",
        "generate|--model|chapters/06-full-model/kjv-mamba|-n|160|--prompt|"};
    cJSON *answers = known_answers();
    for (int i = 0; i < 2; i++)
        for (int m = 0; m < 2; m++) {
            const cJSON *answer = cJSON_GetArrayItem(answers, i);
            const char *prompt = cJSON_GetStringValue(
                cJSON_GetObjectItemCaseSensitive(answer, "prompt"));
            const char *text = cJSON_GetStringValue(
                cJSON_GetObjectItemCaseSensitive(answer, "greedy_160"));
            char words[256], wanted[512];
            snprintf(words, sizeof words, "%s%s", models[m], prompt);
            snprintf(wanted, sizeof wanted, "%s%s\n", prompt, text);
            Run result = run_well(words);
            cr_assert_str_eq(result.out, wanted);
            run_free(&result);
        }
    cJSON_Delete(answers);
}

// The same seed draws the same text, another one another; top-k 1 is greedy.
Test(command, generate_draws_by_its_seed) {
    Run one = run_well("generate|-p|And God|-n|40|-t|1|-s|1");
    Run again = run_well("generate|-p|And God|-n|40|--temperature|1|--seed|1");
    Run other = run_well("generate|-p|And God|-n|40|-t|1|-s|2");
    cr_assert_str_eq(one.out, again.out);
    cr_assert_str_neq(one.out, other.out);
    Run greedy = run_well("generate|-p|And God|-n|40");
    Run best = run_well("generate|-p|And God|-n|40|-t|1|-k|1|-s|2");
    cr_assert_str_eq(greedy.out, best.out);
    run_free(&one);
    run_free(&again);
    run_free(&other);
    run_free(&greedy);
    run_free(&best);
}

// Token ids in, the same ids out, and what follows them.
Test(command, generate_takes_ids) {
    Run text = run_well("generate|-p|And|-n|5");
    Run ids = run_well("generate|--tokens|65, 110 100|-n|5");
    const char *next = ids.out;
    for (size_t i = 0; i < 8; i++) {
        char *end;
        cr_assert_eq(strtol(next, &end, 10), text.out[i], "token %zu", i);
        next = end;
    }
    cr_assert_str_eq(next, " \n");
    run_free(&text);
    run_free(&ids);
}

Test(command, generate_refuses) {
    run_badly("generate", 2, "--prompt");
    run_badly("generate|-p|a|--tokens|1", 2, "both");
    run_badly("generate|-p|", 1, "prompt");
    run_badly("generate|-p|a|-n|-1", 2, "--n-tokens");
    run_badly("generate|-p|a|-t|nan", 2, "--temperature");
    run_badly("generate|-p|a|--top-p|1.5", 2, "--top-p");
    run_badly("generate|-p|a|--top-k|2x", 2, "--top-k");
    run_badly("generate|-p|a|--seed|-1", 2, "--seed");
    run_badly("generate|-p|a|--backend|cuda", 1, "no GPU code");
    run_badly("generate|-p|a|--backend|fast", 2, "--backend: wanted one of");
    run_badly("generate|-p|a|--model|/nowhere", 1, "/nowhere/config.json");
    run_badly("generate|-p|a|--unknown", 2, "--unknown");
    run_badly("generate|-p|a|more", 2, "'more'");
    run_badly("generate|-p", 2, "-p");
}

// --- logits ------------------------------------------------------------------

// Lines of V numbers, the official ones, whether from text or from ids.
Test(command, logits_are_the_official_ones) {
    Golden golden;
    golden_open(&golden, "kjv_logits_0");
    size_t L = golden_size(&golden, "logits", 0);
    size_t V = golden_size(&golden, "logits", 1);
    const float *wanted = golden_floats(&golden, "logits");
    Run result = run_well("logits|--text|In the beginning God created");
    float *got = new_floats(L * V);
    char *next = result.out;
    for (size_t i = 0; i < L * V; i++) {
        got[i] = strtof(next, &next);
        cr_assert_eq(*next, (i + 1) % V ? '\t' : '\n', "number %zu", i);
        next++;
    }
    cr_assert_eq(*next, '\0', "more than %zu lines", L);
    compare("logits", got, wanted, L * V, (Tolerance){2e-4, 0});

    Run ids = run_well("logits|--tokens|73 110 32 116 104 101 32 98 101 103 "
                       "105 110 110 105 110 103 32 71 111 100 32 99 114 101 "
                       "97 116 101 100");
    cr_assert_str_eq(ids.out, result.out);
    free(got);
    run_free(&result);
    run_free(&ids);
    golden_close(&golden);
}

// No tokens, no lines; every backend says the same.
Test(command, logits_of_little) {
    Run none = run_well("logits|--tokens|");
    cr_assert_eq(none.out_size, 0);
    Run blank = run_well("logits|--tokens| \t ");
    cr_assert_eq(blank.out_size, 0);
    Run empty = run_well("logits|--text|");
    cr_assert_eq(empty.out_size, 0);
    Run one = run_well("logits|--tokens|255");
    size_t lines = 0, tabs = 0;
    for (const char *c = one.out; *c; c++) {
        lines += *c == '\n';
        tabs += *c == '\t';
    }
    cr_assert_eq(lines, 1);
    cr_assert_eq(tabs, 255);
    run_free(&none);
    run_free(&blank);
    run_free(&empty);
    run_free(&one);
}

Test(command, logits_refuse) {
    run_badly("logits", 2, "--tokens");
    run_badly("logits|--tokens|256", 1, "'256'");
    run_badly("logits|--tokens|1 -2", 2, "'-2'");
    run_badly("logits|--tokens|1 2x", 2, "'2x'");
    run_badly("logits|--tokens|99999999999999999999", 1, "--tokens");
    run_badly("logits|--tokens|1|--text|a", 2, "both");
}

// --- eval --------------------------------------------------------------------

// The official loss; from a file and from standard input.
Test(command, eval_is_the_official_loss) {
    cJSON *answers = known_answers();
    const cJSON *answer = cJSON_GetArrayItem(answers, 2);
    double nats = cJSON_GetNumberValue(
        cJSON_GetObjectItemCaseSensitive(answer, "nats_per_token"));
    double bits = cJSON_GetNumberValue(
        cJSON_GetObjectItemCaseSensitive(answer, "bits_per_byte"));
    Run result = run_well(with_path("eval|--text|%s", passage));
    cr_assert_eq(printed(&result, "tokens"), 4097);
    compare_number("nats", 0, printed(&result, "nats_per_token"), nats, 1e-5);
    compare_number("bits", 0, printed(&result, "bits_per_byte"), bits, 2e-5);
    compare_number("perplexity", 0, printed(&result, "perplexity"), exp(nats),
                   1e-4);

    cr_assert(freopen(passage, "rb", stdin));
    Run piped = run_well("eval|--text|-");
    cr_assert_str_eq(piped.out, result.out);
    run_free(&piped);
    run_free(&result);
    cJSON_Delete(answers);
}

Test(command, eval_refuses) {
    run_badly("eval", 2, "--text");
    run_badly("eval|--text|/nowhere", 1, "/nowhere");
    run_badly("eval|--text|tests", 1, "tests");
    scratch_text("one", "x");
    run_badly(with_path("eval|--text|%s", scratch("one")), 1, "found 1");
    scratch_text("none", "");
    run_badly(with_path("eval|--text|%s", scratch("none")), 1, "found 0");
}

// --- weights
// ------------------------------------------------------------------

Test(command, weights_in_fewer_bits) {
    // A published loss changes in its third digit at most.
    Run result = run_well(with_path("eval|--text|%s", passage));
    double exact = printed(&result, "bits_per_byte");
    run_free(&result);
    static const char *const types[] = {"f32", "bf16", "int8"};
    static const double bounds[] = {0, 0.01, 0.05};
    for (size_t i = 0; i < 3; i++) {
        Label words = label("eval|--text|%s|--weights|%s", passage, types[i]);
        result = run_well(words.text);
        compare_number(types[i], 0, printed(&result, "bits_per_byte"), exact,
                       bounds[i]);
        run_free(&result);
        words = label("generate|--prompt|In the|-n|20|-w|%s", types[i]);
        result = run_well(words.text);
        cr_assert_eq(strlen(result.out), 6 + 20 + 1, "%s", result.out);
        run_free(&result);
        words = label("logits|--text|ab|--weights|%s", types[i]);
        result = run_well(words.text);
        run_free(&result);
    }
    // They are other numbers, so one of the flags had an effect.
    result = run_well(with_path("eval|--text|%s|-w|int8", passage));
    cr_assert(printed(&result, "bits_per_byte") != exact);
    run_free(&result);
}

Test(command, weights_refuse) {
    static const char *const verbs[] = {"eval|--text|x", "generate|--prompt|x",
                                        "logits|--text|x", "info"};
    for (size_t i = 0; i < 4; i++)
        run_badly(label("%s|--weights|int4", verbs[i]).text, 2,
                  "--weights: wanted f32, bf16 or int8, found 'int4'");
}

// --- info, backends ----------------------------------------------------------

Test(command, info_counts) {
    Run result = run_well(with_path("info|--model|%s", kjv_mamba));
    cr_assert_eq(printed(&result, "parameters"), 297696);
    cr_assert_eq(printed(&result, "parameter_bytes"), 4 * 297696);
    cr_assert_eq(printed(&result, "d_model"), 96);
    cr_assert_eq(printed(&result, "dt_rank"), 6);
    // n_layer d_inner (N + K-1) * 4
    cr_assert_eq(printed(&result, "state_bytes_per_sequence"),
                 4 * 192 * (16 + 3) * 4);
    cr_assert(strstr(result.out, "\nweights\tf32\n"));
    run_free(&result);
    // See tests/parameters.c.
    result = run_well(with_path("info|--weights|int8|--model|%s", kjv_mamba));
    cr_assert(strstr(result.out, "\nweights\tint8\n"));
    cr_assert_eq(printed(&result, "parameter_bytes"), 364512);
    run_free(&result);
}

Test(command, backends_say_why_not) {
    Run result = run_well("backends");
    cr_assert(strstr(result.out, "cpu\tyes\t"));
    cr_assert(strstr(result.out, "parallel\tyes\t"));
    cr_assert(strstr(result.out, "cuda\tno\t"));
    run_free(&result);
    run_badly("backends|more", 2, "'more'");
}

// --- init --------------------------------------------------------------------

// What init writes opens again, with the sizes asked for; a padded vocabulary's
// padding is no token.
Test(command, init_writes_a_model) {
    char model[256];  // kept: scratch()'s own is good for a few calls only
    snprintf(model, sizeof model, "%s", scratch("model"));
    Run made = run_well(with_path("init|--out|%s|--d-model|8|--n-layer|1|"
                                  "--vocab-size|13|--d-state|3|--bias|"
                                  "--untied|--dt-rank|2|--seed|7",
                                  model));
    run_free(&made);
    Run info = run_well(with_path("info|--model|%s", model));
    cr_assert_eq(printed(&info, "vocab_size"), 13);
    cr_assert_eq(printed(&info, "padded_vocab_size"), 16);
    cr_assert_eq(printed(&info, "d_state"), 3);
    cr_assert_eq(printed(&info, "dt_rank"), 2);
    run_free(&info);
    Run logits = run_well(with_path("logits|--model|%s|--tokens|12", model));
    run_free(&logits);
    run_badly(with_path("logits|--model|%s|--tokens|13", model), 1, "'13'");
    run_badly(with_path("logits|--model|%s|--text|a", model), 1, "text");
    run_badly(with_path("eval|--model|%s|--text|Makefile", model), 1, "text");

    // A model that is there stays there.
    size_t before, after;
    free(read_bytes(scratch("model/model.safetensors"), &before));
    run_badly(with_path("init|--out|%s", model), 1, "config.json");
    free(read_bytes(scratch("model/model.safetensors"), &after));
    cr_assert_eq(before, after);
    cr_assert_eq(scratch_entries("model"), 2);
}

Test(command, init_refuses) {
    run_badly("init", 2, "--out");
    run_badly("init|--out|/nowhere/model", 1, "/nowhere/model");
    run_badly("init|--out|x|--d-model|0", 2, "--d-model");
    run_badly("init|--out|x|--dt-rank|0", 2, "--dt-rank");
    run_badly("init|--out|x|--dt-rank|99999999", 2, "--dt-rank");
    run_badly("init|--out|x|--dt-init|other", 2, "--dt-init");
    run_badly("init|--out|x|--dt-min|1|--dt-max|0.5", 2, "dt_min");
    run_badly("init|--out|x|--d-model|1048576|--n-layer|4096|--vocab-size|"
              "268435456",
              1, "memory");
    cr_assert_neq(access("x", F_OK), 0, "x was made");
}

// --- scan --------------------------------------------------------------------

// A golden file through the command, against double precision.
static void scan_golden(const char *name, const char *backend) {
    Golden golden;
    golden_open(&golden, name);
    char words[512];
    snprintf(words, sizeof words,
             "scan|tests/golden/%s.safetensors|%s|--backend|%s", name,
             scratch("y.safetensors"), backend);
    Run result = run_well(words);
    cr_assert_eq(result.out_size, 0);
    run_free(&result);

    Safetensors file;
    Error err;
    check_ok(safetensors_open(&file, scratch("y.safetensors"), &err), &err);
    const Tensor *y = safetensors_find(&file, "y");
    const Tensor *h = safetensors_find(&file, "h");
    cr_assert(y && h && y->rank == 3 && h->rank == 3);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(y->shape[i], golden_size(&golden, "y", i));
        cr_assert_eq(h->shape[i], golden_size(&golden, "h", i));
    }
    Tolerance close = {1e-5, 1e-5};
    compare_to_double("y", y->data, golden_doubles(&golden, "y_f64"), y->count,
                      close);
    compare_to_double("h", h->data, golden_doubles(&golden, "h_f64"), h->count,
                      close);
    safetensors_close(&file);
    golden_close(&golden);
}

Test(command, scan_of_golden_files) {
    static const char *const backends[] = {"reference", "double", "cpu",
                                           "parallel", "tree"};
    for (size_t i = 0; i < 5; i++) {
        scan_golden("scan_small", backends[i]);
        scan_golden("scan_odd", backends[i]);
        scan_golden("scan_state_in", backends[i]);
    }
}

// Repeating changes nothing but adds times; without a batch dimension in, none
// comes out.
Test(command, scan_repeats_and_takes_one_sequence) {
    const float u[] = {1, 2, 3}, delta[] = {1, 1, 1}, A[] = {-1};
    const float B[] = {1, 1, 1}, C[] = {2, 2, 2};
    const Tensor inputs[] = {{"u", TENSOR_F32, 2, {3, 1}, 3, u},
                             {"delta", TENSOR_F32, 2, {3, 1}, 3, delta},
                             {"A", TENSOR_F32, 2, {1, 1}, 1, A},
                             {"B", TENSOR_F32, 2, {3, 1}, 3, B},
                             {"C", TENSOR_F32, 2, {3, 1}, 3, C}};
    Error err;
    check_ok(safetensors_write(scratch("in"), inputs, 5, NULL, 0, &err), &err);
    char words[512];
    snprintf(words, sizeof words, "scan|%s|%s|--repeat|5", scratch("in"),
             scratch("result"));
    Run result = run_well(words);
    cr_assert_eq(printed(&result, "repeat"), 5);
    cr_assert_geq(printed(&result, "median_ms"), printed(&result, "least_ms"));
    cr_assert_leq(printed(&result, "median_ms"), printed(&result, "most_ms"));
    run_free(&result);

    Safetensors file;
    check_ok(safetensors_open(&file, scratch("result"), &err), &err);
    const Tensor *y = safetensors_find(&file, "y");
    const Tensor *h = safetensors_find(&file, "h");
    cr_assert(y && h && y->rank == 2 && h->rank == 2 && y->shape[0] == 3);
    // h_t = h_{t-1} / e + u_t, y_t = 2 h_t
    double state = 0, wanted[3];
    for (size_t t = 0; t < 3; t++)
        wanted[t] = 2 * (state = state * exp(-1) + u[t]);
    compare_to_double("y", y->data, wanted, 3, (Tolerance){1e-6, 1e-6});
    compare_to_double("h", h->data, &state, 1, (Tolerance){1e-6, 1e-6});
    safetensors_close(&file);
}

// A file of scan inputs in which one tensor is not as it should be.
static void write_wrong_inputs(const char *path, const char *name,
                               Tensor instead) {
    static const float ones[24] = {1};
    Tensor inputs[] = {{"u", TENSOR_F32, 2, {4, 2}, 8, ones},
                       {"delta", TENSOR_F32, 2, {4, 2}, 8, ones},
                       {"A", TENSOR_F32, 2, {2, 3}, 6, ones},
                       {"B", TENSOR_F32, 2, {4, 3}, 12, ones},
                       {"C", TENSOR_F32, 2, {4, 3}, 12, ones},
                       {"D", TENSOR_F32, 1, {2}, 2, ones},
                       {"z", TENSOR_F32, 2, {4, 2}, 8, ones},
                       {"h0", TENSOR_F32, 2, {2, 3}, 6, ones}};
    instead.data = ones;
    for (size_t i = 0; i < 8; i++)
        if (strcmp(inputs[i].name, name) == 0)
            inputs[i] = instead;
    Error err;
    check_ok(safetensors_write(path, inputs, 8, NULL, 0, &err), &err);
}

Test(command, scan_refuses) {
    run_badly("scan", 2, "IN.safetensors");
    run_badly("scan|one", 2, "found 1");
    run_badly(with_path("scan|/nowhere|%s", scratch("y")), 1, "/nowhere");
    run_badly(with_path("scan|tests/golden/kjv_logits_0.safetensors|%s",
                        scratch("y")),
              1, "u: wanted");
    run_badly("scan|tests/golden/scan_small.safetensors|/nowhere/y", 1,
              "/nowhere/y");
    run_badly("scan|tests/golden/scan_small.safetensors|tests", 1,
              "a directory");
    run_badly("scan|tests/golden/scan_small.safetensors|/dev/null", 1,
              "/dev/null");
    run_badly(with_path("scan|tests/golden/scan_small.safetensors|%s|-r|0",
                        scratch("y")),
              2, "--repeat");
    // Each tensor with a size, a rank or a type that is not its own.
    static const char *const names[] = {"u", "delta", "A", "B",
                                        "C", "D",     "z", "h0"};
    const Tensor wrong[] = {{NULL, TENSOR_F32, 2, {3, 5}, 15, NULL},
                            {NULL, TENSOR_F32, 0, {0}, 1, NULL},
                            {NULL, TENSOR_F32, 4, {1, 1, 4, 2}, 8, NULL},
                            {NULL, TENSOR_I64, 2, {4, 2}, 8, NULL}};
    for (size_t i = 0; i < 8; i++)
        for (size_t j = 0; j < 4; j++) {
            Tensor instead = wrong[j];
            instead.name = names[i];
            write_wrong_inputs(scratch("in"), names[i], instead);
            char words[512];
            snprintf(words, sizeof words, "scan|%s|%s", scratch("in"),
                     scratch("never"));
            run_badly(words, 1, "wanted");
            cr_assert_neq(access(scratch("never"), F_OK), 0,
                          "%s: something was written", names[i]);
        }
}

// A tensor without numbers may claim any batch: no overflow, one line.
Test(command, scan_of_nothing_in_a_huge_batch) {
    static const float one[1] = {1};
    const size_t huge = (size_t)1 << 40;
    const Tensor inputs[] = {{"u", TENSOR_F32, 3, {huge, 0, 1}, 0, one},
                             {"delta", TENSOR_F32, 3, {huge, 0, 1}, 0, one},
                             {"A", TENSOR_F32, 2, {1, 1}, 1, one},
                             {"B", TENSOR_F32, 3, {huge, 0, 1}, 0, one},
                             {"C", TENSOR_F32, 3, {huge, 0, 1}, 0, one}};
    Error err;
    check_ok(safetensors_write(scratch("in"), inputs, 5, NULL, 0, &err), &err);
    char words[512];
    snprintf(words, sizeof words, "scan|%s|%s", scratch("in"), scratch("y"));
    run_badly(words, 1, "memory");
}

// --- All verbs ---------------------------------------------------------------

Test(command, help_everywhere) {
    static const char *const verbs[] = {
        "generate|--help", "logits|--help", "eval|--help",     "info|--help",
        "init|--help",     "scan|--help",   "backends|--help", "--help"};
    for (size_t i = 0; i < 8; i++) {
        Run result = run_well(verbs[i]);
        cr_assert_eq(strncmp(result.out, "Usage: minimamba", 16), 0);
        cr_assert(strstr(result.out, i < 7 ? "--help" : "generate"));
        run_free(&result);
    }
}

Test(command, wrong_verbs) {
    run_badly("", 2, "verb");
    run_badly("write", 2, "'write'");
    run_badly("--model", 2, "'--model'");
}

// A full disk behind standard output is an error, not a success.
Test(command, full_standard_output) {
    if (access("/dev/full", W_OK) != 0)
        return;
    static const char *const verbs[] = {
        "info",        "backends", "logits|--text|a", "generate|-p|a|-n|3",
        "info|--help", "--help"};
    for (size_t i = 0; i < 6; i++) {
        Run result = run_to("/dev/full", verbs[i]);
        cr_assert_eq(result.status, 1, "%s: %d", verbs[i], result.status);
        cr_assert(strstr(result.err, "standard output"), "%s: %s", verbs[i],
                  result.err);
        run_free(&result);
    }
}

// Every allocation of a command fails in turn: one line, status 1, nothing left
// behind, and then success.
static void fail_each_allocation(const char *words) {
    for (size_t n = 1;; n++) {
        memory_fail_at(n);
        Run result = run(words);
        bool failed = memory_failed();
        memory_fail_at(0);
        int status = result.status;
        bool one_line =
            strchr(result.err, '\n') == result.err + result.err_size - 1;
        run_free(&result);
        if (!failed) {
            cr_assert_eq(status, 0, "%s: %d", words, status);
            cr_assert_gt(n, 1, "%s allocates nothing", words);
            return;
        }
        cr_assert_eq(status, 1, "%s: allocation %zu: status %d", words, n,
                     status);
        cr_assert(one_line, "%s: allocation %zu", words, n);
    }
}

Test(command, failing_allocations) {
    fail_each_allocation("logits|--tokens|1 2");
    fail_each_allocation("generate|-p|a|-n|1|-t|1");
    scratch_text("text", "In the beginning God created the heaven");
    char eval[512];
    snprintf(eval, sizeof eval, "eval|--text|%s", scratch("text"));
    fail_each_allocation(eval);
    fail_each_allocation("info");
    char words[512];
    snprintf(words, sizeof words,
             "scan|tests/golden/scan_small.safetensors|%s|-r|2|-b|parallel",
             scratch("y"));
    fail_each_allocation(words);
}
