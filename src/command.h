// The command minimamba: one file for each of its verbs.
#ifndef COMMAND_H
#define COMMAND_H

#include "options.h"
#include "session.h"

// Runs `minimamba argv[1] ...` and returns its exit status: 0, 1 after an
// error, 2 after a wrong command line. Results go to stdout, progress and
// errors to stderr.
int command_run(int argc, char **argv);

// The verbs; argv[0] is the verb.
int command_generate(int argc, char **argv);
int command_logits(int argc, char **argv);
int command_eval(int argc, char **argv);
int command_info(int argc, char **argv);
int command_init(int argc, char **argv);
int command_scan(int argc, char **argv);
int command_backends(int argc, char **argv);
int command_bench(int argc, char **argv);

// --- What several verbs share ------------------------------------------------

// Tokens of a sequence that go through the model at once.
enum { COMMAND_CHUNK = 256 };

// A model with a session of one sequence.
typedef struct {
    Model model;
    Session session;
} Opened;

// Which model, and how to run it: --model, --weights, --backend.
typedef struct {
    const char *directory;  // NULL for the default one
    const char *weights_name, *backend_name;
    MatrixType weights;
    const ScanBackend *backend;
} ModelChoice;

// Before the command line is read: the default model, float32, cpu.
ModelChoice command_default_choice(void);

// Their rows of a table of options.
Option command_model_option(ModelChoice *choice);
Option command_weights_option(ModelChoice *choice);
Option command_backend_option(ModelChoice *choice);

// Looks the names up. Returns OPTIONS_CONTINUE, or the exit status after a line
// on stderr: see command_backend().
int command_choose(const CommandLine *line, ModelChoice *choice);

// Loads the model and starts a session.
bool command_open(Opened *opened, const ModelChoice *choice, Error *err);
void command_close(Opened *opened);

// The token ids of a sequence, from text or from "1 2 3".
typedef struct {
    int32_t *ids;  // (count)
    size_t count;
} TokenList;

// Looks up --backend NAME. Returns OPTIONS_CONTINUE, or the exit status after a
// line on stderr: OPTIONS_WRONG for a name that is none, OPTIONS_FAILED for a
// backend that cannot run here.
int command_backend(const CommandLine *line, const char *name,
                    const ScanBackend **backend);

// Are these token ids, whole numbers with blanks or commas between them?
bool command_check_ids(const char *ids, Error *err);

// Exactly one of text (bytes, for a byte-level model) and ids (checked as
// above) is not NULL. An id outside the model's vocabulary is an error.
bool command_tokens(TokenList *tokens, const Model *model, const char *text,
                    const char *ids, Error *err);

// Ends a verb: see report_end().
int command_end(bool ok, Error *err);

// A line on stderr that says how far a long run is; only on a terminal.
typedef struct {
    bool shown;        // stderr is a terminal
    double last;       // when it was last written
    const char *unit;  // "tokens"
} Progress;

Progress progress_begin(const char *unit);
void progress_show(Progress *progress, size_t done);
void progress_end(Progress *progress);

#endif
