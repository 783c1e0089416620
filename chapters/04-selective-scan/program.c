// Chapter 4: the selective scan, by hand, by every backend, and done wrong.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "discretization.h"
#include "exponential.h"
#include "measure.h"
#include "memory.h"
#include "options.h"
#include "random.h"
#include "report.h"
#include "scan.h"
#include "scan_cpu.h"
#include "scan_ladder.h"
#include "scan_operator.h"
#include "scan_reference.h"
#include "scan_tree.h"
#include "scan_trial.h"

// What the command line may change.
typedef struct {
    size_t length, d_inner, d_state;
    size_t sequences;  // of the task that wants selection, for each length
    size_t longest;    // sequence of 256 channels; fewer channels, longer ones
    uint64_t seed;
    const char *tsv;
} Settings;

// --- What several sections use ----------------------------------------------

// The backends that can run here.
enum { MOST_BACKENDS = 16 };

static size_t usable_backends(const ScanBackend *usable[MOST_BACKENDS]) {
    size_t n = 0;
    Error why_not;
    for (size_t i = 0; i < n_scan_backends && n < MOST_BACKENDS; i++)
        if (scan_backends[i]->usable(&why_not))
            usable[n++] = scan_backends[i];
    return n;
}

// --- By hand ----------------------------------------------------------------

// One channel, two states, four steps. A = -ln 2 and -2 ln 2, so that
// exp(Delta A) is 1/2 and 1/4 for Delta = 1, and 1/4 and 1/16 for Delta = 2.
enum { HAND_LENGTH = 4, HAND_STATES = 2 };
static const float hand_A[] = {-0.693147181f, -1.386294361f};
static const float hand_delta[] = {1, 2, 1, 1};
static const float hand_u[] = {8, 1, -2, 4};
// (L, N), row by row:
static const float hand_B[] = {1, 0.5f, 1, 1, 0.5f, 1, 0.25f, 0.5f};
static const float hand_C[] = {1, 1, 1, 2, 2, 1, 2, 0};

// a = exp(Delta_t A_n) and b = Delta_t B_{t,n} u_t of one step.
static double hand_a(size_t t, size_t n) {
    return exp((double)hand_delta[t] * hand_A[n]);
}

static double hand_b(size_t t, size_t n) {
    return hand_delta[t] * hand_B[t * HAND_STATES + n] * hand_u[t];
}

static void print_hand_inputs(void) {
    printf("%5s%8s%8s%8s%8s%8s%8s\n", "t", "Delta", "u", "B_1", "B_2", "C_1",
           "C_2");
    for (size_t t = 0; t < HAND_LENGTH; t++) {
        const float *B = hand_B + t * HAND_STATES;
        const float *C = hand_C + t * HAND_STATES;
        printf("%5zu%8g%8g%8g%8g%8g%8g\n", t + 1, hand_delta[t], hand_u[t],
               B[0], B[1], C[0], C[1]);
    }
}

// The table itself: h_t = a h_{t-1} + b, y_t = C_t . h_t.
static void print_hand_steps(double y[HAND_LENGTH]) {
    double h[HAND_STATES] = {0, 0};
    printf("%5s%8s%8s%8s%8s%10s%10s%10s\n", "t", "a_1", "a_2", "b_1", "b_2",
           "h_1", "h_2", "y");
    for (size_t t = 0; t < HAND_LENGTH; t++) {
        y[t] = 0;
        for (size_t n = 0; n < HAND_STATES; n++) {
            h[n] = hand_a(t, n) * h[n] + hand_b(t, n);
            y[t] += hand_C[t * HAND_STATES + n] * h[n];
        }
        printf("%5zu%8.4g%8.4g%8.4g%8.4g%10.7g%10.7g%10.7g\n", t + 1,
               hand_a(t, 0), hand_a(t, 1), hand_b(t, 0), hand_b(t, 1), h[0],
               h[1], y[t]);
    }
}

// How far scan_reference() is from the table's y.
static double hand_error(const double y[HAND_LENGTH]) {
    float h[HAND_STATES] = {0, 0}, found[HAND_LENGTH];
    Scan scan = {.batch = 1,
                 .length = HAND_LENGTH,
                 .d_inner = 1,
                 .d_state = HAND_STATES,
                 .u = hand_u,
                 .delta = hand_delta,
                 .A = hand_A,
                 .B = hand_B,
                 .C = hand_C,
                 .h = h,
                 .y = found};
    scan_reference(&scan, NULL, NULL);
    double worst = 0;
    for (size_t t = 0; t < HAND_LENGTH; t++)
        worst = larger(worst, fabs(found[t] - y[t]));
    return worst;
}

static bool by_hand(Error *err) {
    section("by-hand", "The recurrence on paper");
    printf("One channel with two states, A = -ln 2 and -2 ln 2. Delta, B and C "
           "are\ndifferent at every step: that is what selective means.\n\n");
    print_hand_inputs();
    printf("\na = exp(Delta A) keeps, b = Delta B u adds, h = a h + b, "
           "y = C_1 h_1 + C_2 h_2:\n\n");
    double y[HAND_LENGTH];
    print_hand_steps(y);
    printf("\nAt t = 2 the step is twice as long: more is forgotten (a is the "
           "square of\nits value at t = 1), and more is taken in (b is twice "
           "B u).\n");
    return check_below("Largest difference of scan_reference() from this y",
                       hand_error(y), 1e-5, err);
}

// --- What selection adds ----------------------------------------------------

// The task: every token is a value v with or without a mark m. At any time the
// answer is the value of the last marked token. Delta depends on the mark:
//     Delta = softplus(40 m - 20),  A = -1,  B = 1,  C = 1/20
static float marked_delta(float mark) {
    return softplus(40 * mark - 20);
}

// Runs the task's scan on (batch, L) values with their deltas; y as large.
static void remember(float *y, const float *values, const float *delta,
                     const float *ones, const float *C, float *h, size_t batch,
                     size_t length) {
    const float A = -1;
    Scan scan = {.batch = batch,
                 .length = length,
                 .d_inner = 1,
                 .d_state = 1,
                 .u = values,
                 .delta = delta,
                 .A = &A,
                 .B = ones,
                 .C = C,
                 .h = h,
                 .y = y};
    scan_reference(&scan, NULL, NULL);
}

static bool selection(Error *err) {
    enum { LENGTH = 9 };
    const float v[LENGTH] = {0.5f, -1, 0.25f, 1, -0.75f, 0.5f, -0.5f, 1, -1};
    const float mark[LENGTH] = {0, 0, 1, 0, 0, 0, 1, 0, 0};
    float delta[LENGTH], ones[LENGTH], C[LENGTH], y[LENGTH], h = 0;
    for (size_t t = 0; t < LENGTH; t++) {
        delta[t] = marked_delta(mark[t]);
        ones[t] = 1;
        C[t] = 1 / marked_delta(1);
    }
    remember(y, v, delta, ones, C, &h, 1, LENGTH);

    section("selection", "What selection adds: keep this, ignore that");
    printf("Keep the value that was marked last, ignore all others. Delta is "
           "large at a\nmark and nearly 0 elsewhere: softplus(40 mark - 20). "
           "A, B and C never change:\n-1, 1 and 1/20.\n\n");
    printf("%5s%8s%8s%10s%18s%10s\n", "t", "value", "mark", "Delta",
           "a = exp(-Delta)", "y");
    double wanted = 0, worst = 0;
    for (size_t t = 0; t < LENGTH; t++) {
        wanted = mark[t] != 0 ? v[t] : wanted;
        worst = larger(worst, fabs(y[t] - wanted));
        printf("%5zu%8g%8s%10.2g%18.2g%10.2f\n", t + 1, v[t],
               mark[t] != 0 ? "yes" : "", delta[t], exp(-delta[t]),
               fabsf(y[t]) < 0.005f ? 0 : y[t]);
    }
    printf("\nA mark replaces the state (a = 0, nearly). Noise leaves it alone "
           "(a = 1).\n");
    return check_below("Largest difference of y from the value marked last",
                       worst, 1e-6, err);
}

// --- What a system that does not select can do ------------------------------

// Many random sequences of the task, two marks in each.
typedef struct {
    size_t count, length;
    float *values;   // (count, L): 1 or -1
    float *marks;    // (count, L): 0 or 1
    float *answers;  // (count): what is wanted after the last token
} Task;

static void task_fill(Task *task, Random *random) {
    size_t L = task->length;
    memset(task->marks, 0, task->count * L * sizeof *task->marks);
    for (size_t i = 0; i < task->count; i++) {
        float *v = task->values + i * L, *m = task->marks + i * L;
        for (size_t t = 0; t < L; t++)
            v[t] = random_uniform(random, -1, 1) < 0 ? -1 : 1;
        // Two different places, each as likely as any other.
        size_t one = (size_t)random_uniform(random, 0, (double)L);
        size_t other = (size_t)random_uniform(random, 0, (double)(L - 1));
        other += other >= one;
        m[one] = m[other] = 1;
        task->answers[i] = v[one > other ? one : other];
    }
}

// The best system with one state, A = -1 and one Delta for all tokens: tries
// many Deltas, each with its best C. Returns the mean squared error.
static double best_constant_delta(const Task *task) {
    double least = INFINITY;
    for (double delta = 0x1p-10; delta <= 16; delta *= 1.25) {
        double hh = 0, hy = 0, yy = 0, a = exp(-delta);
        for (size_t i = 0; i < task->count; i++) {
            double h = 0, y = task->answers[i];
            for (size_t t = 0; t < task->length; t++)
                h = a * h + delta * task->values[i * task->length + t];
            hh += h * h, hy += h * y, yy += y * y;
        }
        // The C that makes sum (y - C h)^2 least is hy / hh.
        least = fmin(least, (yy - hy * hy / hh) / (double)task->count);
    }
    return least;
}

// Solves X w = r for a symmetric positive definite X (n, n), by Cholesky's
// factors X = G G^T. X becomes G, r becomes w.
static void solve(double *X, double *r, size_t n) {
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= i; j++) {
            double sum = X[i * n + j];
            for (size_t k = 0; k < j; k++)
                sum -= X[i * n + k] * X[j * n + k];
            X[i * n + j] = i == j ? sqrt(sum) : sum / X[j * n + j];
        }
        for (size_t k = 0; k < i; k++)
            r[i] -= X[i * n + k] * r[k];
        r[i] /= X[i * n + i];
    }
    for (size_t i = n; i-- > 0;) {
        for (size_t k = i + 1; k < n; k++)
            r[i] -= X[k * n + i] * r[k];
        r[i] /= X[i * n + i];
    }
}

// What a filter may weigh: every value, every mark, and, where B selects, every
// value that B_t = m_t lets in.
static void task_features(const Task *task, size_t i, bool B_selects,
                          double *row) {
    size_t L = task->length;
    for (size_t t = 0; t < L; t++) {
        double v = task->values[i * L + t], m = task->marks[i * L + t];
        row[t] = v;
        row[L + t] = m;
        if (B_selects)
            row[2 * L + t] = m * v;
    }
}

// The least mean squared error of any weights at all, one for each feature.
// Work is room for (n + 2) n numbers.
static double best_filter(const Task *task, bool B_selects, double *work) {
    size_t n = (B_selects ? 3 : 2) * task->length;
    double *X = work, *w = X + n * n, *row = w + n;
    memset(work, 0, (n + 2) * n * sizeof *work);

    // Least squares: (sum f f^T) w = sum f y over all sequences.
    for (size_t i = 0; i < task->count; i++) {
        task_features(task, i, B_selects, row);
        for (size_t j = 0; j < n; j++) {
            for (size_t k = 0; row[j] != 0 && k <= j; k++)
                X[j * n + k] += row[j] * row[k];
            w[j] += row[j] * task->answers[i];
        }
    }
    for (size_t j = 0; j < n; j++)
        X[j * n + j] += 1e-6;  // features that depend on each other do no harm
    solve(X, w, n);

    double error = 0;
    for (size_t i = 0; i < task->count; i++) {
        double y = 0;
        task_features(task, i, B_selects, row);
        for (size_t j = 0; j < n; j++)
            y += w[j] * row[j];
        error += (y - task->answers[i]) * (y - task->answers[i]);
    }
    return error / (double)task->count;
}

// The mean squared error of the selective scan, which needs no fitting. Room is
// for (5 L + 1) numbers for each sequence.
static double selective_error(const Task *task, float *room) {
    size_t size = task->count * task->length;
    float *delta = room, *ones = delta + size, *C = ones + size;
    float *y = C + size, *h = y + size;
    for (size_t i = 0; i < size; i++) {
        delta[i] = marked_delta(task->marks[i]);
        ones[i] = 1;
        C[i] = 1 / marked_delta(1);
    }
    for (size_t i = 0; i < task->count; i++)
        h[i] = 0;
    remember(y, task->values, delta, ones, C, h, task->count, task->length);

    double error = 0;
    for (size_t i = 0; i < task->count; i++) {
        double last = y[(i + 1) * task->length - 1] - task->answers[i];
        error += last * last;
    }
    return error / (double)task->count;
}

// The four systems' errors at one length.
typedef struct {
    double constant, filter, B_selects, selective;
} TaskErrors;

static bool task_errors(TaskErrors *errors, size_t count, size_t length,
                        Random *random, Error *err) {
    size_t size = count * length, n = 3 * length;
    float *room = allocate(6 * size + 2 * count, sizeof *room,
                           "the task's sequences", err);
    double *work =
        room ? allocate((n + 2) * n, sizeof *work, "the least squares", err)
             : NULL;
    if (work) {
        Task task = {.count = count, .length = length, .values = room};
        task.marks = task.values + size;
        task.answers = task.marks + size;
        task_fill(&task, random);
        errors->constant = best_constant_delta(&task);
        errors->filter = best_filter(&task, false, work);
        errors->B_selects = best_filter(&task, true, work);
        errors->selective = selective_error(&task, task.answers + count);
    }
    release(work);
    release(room);
    return work != NULL;
}

enum { LONGEST_TASK = 32 };

// Prints a row for each length; errors keeps the last, worst the selective
// scan's largest.
static bool print_limits(const Settings *settings, TaskErrors *errors,
                         double *worst, Error *err) {
    const size_t lengths[] = {4, 8, 16, LONGEST_TASK};
    Random random = random_from_seed(settings->seed);
    *worst = 0;
    printf("%8s%16s%17s%14s%17s\n", "", "one constant", "any filter of",
           "any filter,", "Delta selects,");
    printf("%8s%16s%17s%14s%17s\n", "length", "Delta, A = -1", "values, marks",
           "B selects", "the scan above");
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        if (!task_errors(errors, settings->sequences, lengths[i], &random, err))
            return false;
        *worst = larger(*worst, errors->selective);
        printf("%8zu%16.2f%17.2f%14.2f%17s\n", lengths[i], errors->constant,
               errors->filter, errors->B_selects,
               errors->selective < 1e-12 ? "below 1e-12" : "above 1e-12");
    }
    return true;
}

static bool selection_limits(const Settings *settings, Error *err) {
    TaskErrors errors;
    double worst;
    section("selection-limits", "What a system that does not select can do");
    printf("The same task: random values 1 or -1, two marks at random places, "
           "%zu\nsequences for each length. The mean squared error after the "
           "last token; always\nanswering 0 has error 1.\n\n",
           settings->sequences);
    if (!print_limits(settings, &errors, &worst, err))
        return false;
    printf("\nWith constant Delta, B and C, however many states, the output is "
           "a weighted sum\nof the past, and a weight belongs to a place. "
           "Least squares finds the best\nweights there are, fitted to these "
           "very sequences; but the marks have no fixed\nplace. (Layers around "
           "such a system may multiply; the system alone cannot.)\nWhere B "
           "lets in marked values only, the two of them stay mixed: only Delta "
           "can\ntell the state to forget the first.\n");
    const double L = LONGEST_TASK;
    value("filter-error", errors.filter, 2);
    value("filter-error-by-formula", 1 - 2 * (2 * L - 1) / (3 * L * (L - 1)),
          2);
    value("filter-error-b-selects", errors.B_selects, 2);
    value("filter-error-b-selects-by-formula", (L - 2) / (3 * (L - 1)), 2);
    return check_below("Largest error of the selective scan", worst, 1e-12,
                       err);
}

// --- The associative operator -----------------------------------------------

static void print_element(const char *name, ScanElement e) {
    printf("  %-22s a = %-8g b = %g\n", name, e.a, e.b);
}

static double apply(ScanElement e, double h) {
    return e.a * h + e.b;
}

// How far (p q) r and p (q r) are apart, at most, in so many random triples.
static double associativity_error(size_t triples, Random *random) {
    double worst = 0;
    for (size_t i = 0; i < triples; i++) {
        ScanElement e[3];
        for (size_t k = 0; k < 3; k++)
            e[k] = (ScanElement){.a = (float)random_uniform(random, 0, 1),
                                 .b = (float)random_normal(random, 0, 1)};
        ScanElement left = scan_join(scan_join(e[0], e[1]), e[2]);
        ScanElement right = scan_join(e[0], scan_join(e[1], e[2]));
        worst = larger(worst, fabsf(left.a - right.a));
        worst = larger(worst, fabsf(left.b - right.b));
    }
    return worst;
}

static bool operator_checked(const Settings *settings, Error *err) {
    const ScanElement p = {.a = 0.5f, .b = 3}, q = {.a = 0.25f, .b = 1};
    const ScanElement identity = {.a = 1, .b = 0};
    ScanElement pq = scan_join(p, q), qp = scan_join(q, p);
    section("operator", "Two steps joined into one");
    printf("A step is the map h -> a h + b. One after the other they are again "
           "such a map:\na = a2 a1, b = a2 b1 + b2.\n\n");
    print_element("p", p);
    print_element("q", q);
    print_element("first p, then q", pq);
    print_element("first q, then p", qp);
    print_element("p joined to {1, 0}", scan_join(p, identity));
    print_element("{1, 0} joined to p", scan_join(identity, p));
    printf("\nFrom h = 8: p gives %g, then q gives %g; the joined map gives "
           "%g at once.\nThe other order gives %g: the operator is not "
           "commutative. {1, 0} changes\nnothing: it is the identity.\n",
           apply(p, 8), apply(q, apply(p, 8)), apply(pq, 8), apply(qp, 8));

    enum { TRIPLES = 1000 };
    Random random = random_from_seed(settings->seed);
    double worst = associativity_error(TRIPLES, &random);
    printf("\nIt is associative: where the brackets stand does not matter, so "
           "steps far apart\nin time can be joined at once. %d random triples "
           "p, q, r:\n",
           TRIPLES);
    return check_below("Largest difference of (p q) r from p (q r)", worst,
                       1e-6, err);
}

// --- The tree, drawn --------------------------------------------------------

enum { TREE_SIZE = 8, COLUMN = 8, MARGIN = 9 };

// Which steps a node covers, first to last; {0, 0} is none.
typedef struct {
    size_t first, last;
} Covered;

// The tree's nodes, and what each stands for.
typedef struct {
    ScanElement nodes[TREE_SIZE];
    Covered covered[TREE_SIZE];
} DrawnTree;

static Covered join_covered(Covered first, Covered then) {
    if (first.first == 0)
        return then;
    return (Covered){first.first, then.last};
}

static void draw_nodes(const DrawnTree *tree, const char *label) {
    printf("%-*s", MARGIN, label);
    for (size_t i = 0; i < TREE_SIZE; i++) {
        char text[48];
        Covered c = tree->covered[i];
        snprintf(text, sizeof text, c.first == c.last ? "%zu" : "%zu..%zu",
                 c.first, c.last);
        printf("%*s", COLUMN, c.first ? text : "none");
    }
    printf("\n%*s", MARGIN, "a ");
    for (size_t i = 0; i < TREE_SIZE; i++)
        printf("%*g", COLUMN, tree->nodes[i].a);
    printf("\n%*s", MARGIN, "b ");
    for (size_t i = 0; i < TREE_SIZE; i++)
        printf("%*g", COLUMN, tree->nodes[i].b);
    printf("\n");
}

// Lines between two levels: from each left node of a pair to its right one. The
// marks say what becomes of the left and of the right.
static void draw_lines(size_t reach, char left, char middle, char right) {
    char line[MARGIN + TREE_SIZE * COLUMN + 1];
    memset(line, ' ', sizeof line);
    line[sizeof line - 1] = '\0';
    for (size_t i = 0; i < TREE_SIZE; i++)
        line[MARGIN + (i + 1) * COLUMN - 1] = '|';
    for (size_t i = 2 * reach - 1; i < TREE_SIZE; i += 2 * reach) {
        size_t from = MARGIN + (i - reach + 1) * COLUMN - 1;
        size_t to = MARGIN + (i + 1) * COLUMN - 1;
        memset(line + from, '-', to - from);
        line[from] = left;
        line[(from + to) / 2] = middle;
        line[to] = right;
    }
    printf("%s\n", line);
}

static void draw_up(DrawnTree *tree, size_t reach) {
    scan_tree_up(tree->nodes, TREE_SIZE, reach);
    for (size_t i = 2 * reach - 1; i < TREE_SIZE; i += 2 * reach)
        tree->covered[i] =
            join_covered(tree->covered[i - reach], tree->covered[i]);
    draw_lines(reach, '+', '-', 'v');
    draw_nodes(tree, "");
}

static void draw_down(DrawnTree *tree, size_t reach) {
    scan_tree_down(tree->nodes, TREE_SIZE, reach);
    for (size_t i = 2 * reach - 1; i < TREE_SIZE; i += 2 * reach) {
        Covered left = tree->covered[i - reach];
        tree->covered[i - reach] = tree->covered[i];
        tree->covered[i] = join_covered(tree->covered[i], left);
    }
    draw_lines(reach, 'v', 'x', 'v');
    draw_nodes(tree, "");
}

// The state after each step: by the tree (all before, then the step itself),
// and by going through the steps in order. Returns how far they are apart.
static double draw_states(const DrawnTree *tree, const ScanElement *steps) {
    double worst = 0, h = 0;
    printf("%-*s", MARGIN, "h, tree");
    for (size_t t = 0; t < TREE_SIZE; t++)
        printf("%*.6g", COLUMN, scan_join(tree->nodes[t], steps[t]).b);
    printf("\n%-*s", MARGIN, "h, loop");
    for (size_t t = 0; t < TREE_SIZE; t++) {
        h = apply(steps[t], h);
        worst = larger(worst, fabs(h - scan_join(tree->nodes[t], steps[t]).b));
        printf("%*.6g", COLUMN, h);
    }
    printf("\n");
    return worst;
}

static bool tree_drawn(Error *err) {
    DrawnTree tree;
    ScanElement steps[TREE_SIZE];
    for (size_t t = 0; t < TREE_SIZE; t++) {
        steps[t] = (ScanElement){.a = t % 2 ? 0.5f : 1, .b = (float)(t + 1)};
        tree.nodes[t] = steps[t];
        tree.covered[t] = (Covered){t + 1, t + 1};
    }
    section("tree", "The work-efficient tree for eight steps");
    printf("Eight steps, a = 1 and 1/2 in turn, b = t. Each node shows which "
           "steps it has\njoined. On the way up, v is a node that joins the "
           "node at + to itself:\n\n");
    draw_nodes(&tree, "steps");
    for (size_t reach = 1; reach < TREE_SIZE; reach *= 2)
        draw_up(&tree, reach);

    printf("\nThe last node has all eight. It is replaced by the identity, and "
           "now a node\nlearns which steps stand before it. On the way down a "
           "pair exchanges (x): the\nleft gets what the right one had, the "
           "right joins to that what the left had:\n\n");
    tree.nodes[TREE_SIZE - 1] = (ScanElement){.a = 1, .b = 0};
    tree.covered[TREE_SIZE - 1] = (Covered){0, 0};
    draw_nodes(&tree, "identity");
    for (size_t reach = TREE_SIZE / 2; reach > 0; reach /= 2)
        draw_down(&tree, reach);

    printf("\nNode t now holds all steps before t. Its own step joined to it "
           "gives h_t:\n\n");
    double worst = draw_states(&tree, steps);
    return check_below("Largest difference between the two", worst, 1e-6, err);
}

// --- How many operations ----------------------------------------------------

// How often an exponential was taken, two maps joined, a map applied to a
// state; how many of these had to wait for one another; and how many results
// were corrected later.
typedef struct {
    size_t exps, joins, applied, rounds, corrected;
} Counts;

// The steps of one state of one channel, and what was done with them.
typedef struct {
    const float *delta;    // (L)
    const float *delta_u;  // (L): Delta_t u_t, with B = 1
    float A;
    size_t length;
    ScanElement *nodes;  // (L): room
    float *h;            // (L): the result
    Counts counts;
} Counted;

static ScanElement counted_step(Counted *c, size_t t) {
    c->counts.exps++;
    return (ScanElement){.a = expf(c->delta[t] * c->A), .b = c->delta_u[t]};
}

static ScanElement counted_join(Counted *c, ScanElement first,
                                ScanElement then) {
    c->counts.joins++;
    return scan_join(first, then);
}

static float counted_apply(Counted *c, ScanElement e, float h) {
    c->counts.applied++;
    return e.a * h + e.b;
}

// What `cpu` does: one step after the other.
static void count_sequential(Counted *c) {
    float h = 0;
    for (size_t t = 0; t < c->length; t++) {
        h = counted_apply(c, counted_step(c, t), h);
        c->h[t] = h;
    }
    c->counts.rounds = c->length;
}

// Hillis and Steele (1986): everyone joins the node `reach` before it.
static void count_hillis_steele(Counted *c) {
    for (size_t t = 0; t < c->length; t++)
        c->nodes[t] = counted_step(c, t);
    for (size_t reach = 1; reach < c->length; reach *= 2, c->counts.rounds++)
        for (size_t t = c->length; t-- > reach;)
            c->nodes[t] = counted_join(c, c->nodes[t - reach], c->nodes[t]);
    for (size_t t = 0; t < c->length; t++)
        c->h[t] = counted_apply(c, c->nodes[t], 0);
    c->counts.rounds++;
}

// What `tree` does (Blelloch 1990). The length is a power of two.
static void count_tree(Counted *c) {
    size_t L = c->length;
    for (size_t t = 0; t < L; t++)
        c->nodes[t] = counted_step(c, t);
    for (size_t reach = 1; reach < L; reach *= 2, c->counts.rounds++)
        for (size_t i = 2 * reach - 1; i < L; i += 2 * reach)
            c->nodes[i] = counted_join(c, c->nodes[i - reach], c->nodes[i]);
    c->nodes[L - 1] = (ScanElement){.a = 1, .b = 0};
    for (size_t reach = L / 2; reach > 0; reach /= 2, c->counts.rounds++)
        for (size_t i = 2 * reach - 1; i < L; i += 2 * reach) {
            ScanElement left = c->nodes[i - reach];
            c->nodes[i - reach] = c->nodes[i];
            c->nodes[i] = counted_join(c, c->nodes[i], left);
        }
    for (size_t t = 0; t < L; t++)
        c->h[t] = counted_apply(
            c, counted_join(c, c->nodes[t], counted_step(c, t)), 0);
    c->counts.rounds += 2;
}

enum { CHUNKS = 8, TILE = 64 };

// Adds to a chunk's results what the state before it has left to give, tile by
// tile, until that is nothing. Returns how many steps that took.
static size_t count_correction(Counted *c, size_t begin, size_t end, float h) {
    float sum = 0;
    for (size_t t = begin; t < end; t++) {
        if ((t - begin) % TILE == 0 && expf(sum * c->A) * h == 0)
            return t - begin;
        sum += c->delta[t];
        c->counts.exps++;
        ScanElement share = {.a = expf(sum * c->A), .b = c->h[t]};
        c->h[t] = counted_apply(c, share, h);
        c->counts.corrected++;
    }
    return end - begin;
}

// What `parallel` does: chunks scanned, joined by their carries, corrected.
static void count_chunked(Counted *c) {
    size_t steps = (c->length + CHUNKS - 1) / CHUNKS, longest = 0;
    float sums[CHUNKS] = {0}, state = 0;
    for (size_t t = 0; t < c->length; t++) {
        float before = t % steps ? c->h[t - 1] : 0;
        c->h[t] = counted_apply(c, counted_step(c, t), before);
        sums[t / steps] += c->delta[t];
    }
    for (size_t begin = 0; begin < c->length; begin += steps) {
        size_t end = begin + steps < c->length ? begin + steps : c->length;
        // The map of the chunk, applied to the state before it.
        ScanElement map = {.a = expf(c->A * sums[begin / steps]),
                           .b = c->h[end - 1]};
        float next = counted_apply(c, map, state);
        c->counts.exps++;
        size_t corrected =
            begin > 0 ? count_correction(c, begin, end, state) : 0;
        longest = corrected > longest ? corrected : longest;
        state = next;
    }
    c->counts.rounds = steps + CHUNKS + longest;
}

// One of the four.
typedef void (*CountedScan)(Counted *);

// Steps to count, and room for them.
typedef struct {
    size_t length;
    float *delta, *delta_u, *h, *truth;  // (L)
    ScanElement *nodes;                  // (L)
} CountRoom;

static void count_room_free(CountRoom *room) {
    release(room->nodes);
    release(room->delta);
}

// Random steps, Delta as in the Example below, for all of the counts.
static bool count_room_new(CountRoom *room, size_t length, uint64_t seed,
                           Error *err) {
    *room = (CountRoom){.length = length};
    room->nodes =
        allocate(length, sizeof *room->nodes, "the steps' joins", err);
    if (room->nodes)
        room->delta =
            allocate(4 * length, sizeof *room->delta, "steps to count", err);
    if (!room->delta) {
        count_room_free(room);
        return false;
    }
    room->delta_u = room->delta + length;
    room->h = room->delta_u + length;
    room->truth = room->h + length;
    Random random = random_from_seed(seed);
    for (size_t t = 0; t < length; t++) {
        room->delta[t] =
            (float)exp(random_uniform(&random, log(0.001), log(0.1)));
        room->delta_u[t] = room->delta[t] * (float)random_normal(&random, 0, 1);
    }
    return true;
}

// Runs one on the first steps; worst keeps the largest difference from the
// loop.
static Counts count(CountedScan run, const CountRoom *room, size_t length,
                    float A, double *worst) {
    Counted loop = {.delta = room->delta,
                    .delta_u = room->delta_u,
                    .A = A,
                    .length = length,
                    .nodes = room->nodes,
                    .h = room->truth};
    Counted counted = loop;
    counted.h = room->h;
    count_sequential(&loop);
    run(&counted);
    *worst = larger(*worst, largest_difference(room->h, room->truth, length));
    return counted.counts;
}

static bool operations(const Settings *settings, Error *err) {
    const size_t lengths[] = {8, 64, 1024};
    double worst = 0;
    CountRoom room;
    if (!count_room_new(&room, 1024, settings->seed, err))
        return false;
    section("operations", "Joins, counted");
    printf("Three ways to scan one state over L steps. Joins are applications "
           "of the\noperator. Rounds are operations that wait for one another: "
           "the time it would\ntake with as many processors as one likes.\n\n");
    printf("%8s%20s%22s%22s\n", "", "loop", "Hillis and Steele",
           "tree (Blelloch)");
    printf("%8s%12s%8s%14s%8s%14s%8s\n", "L", "joins", "rounds", "joins",
           "rounds", "joins", "rounds");
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        size_t L = lengths[i];
        Counts loop = count(count_sequential, &room, L, -1, &worst);
        Counts hs = count(count_hillis_steele, &room, L, -1, &worst);
        Counts tree = count(count_tree, &room, L, -1, &worst);
        printf("%8zu%12zu%8zu%14zu%8zu%14zu%8zu\n", L, loop.joins, loop.rounds,
               hs.joins, hs.rounds, tree.joins, tree.rounds);
    }
    count_room_free(&room);
    printf("\nThe loop joins nothing: it applies each step to the state it "
           "has. Hillis and\nSteele need log2 L rounds, the tree twice as "
           "many, and a little to finish; but\ntheir joins grow like L log L, "
           "the tree's like L. The tree's count includes the\nlast step of the "
           "drawing above, in which each node joins its own step.\n");
    return check_below("Largest difference of any h from the loop's", worst,
                       1e-5, err);
}

// --- What chunks inherit ----------------------------------------------------

enum { COUNTED_STATES = 16 };

// A power of two, as the tree wants it; 65536 as a rule.
static size_t counted_length(const Settings *settings) {
    size_t length = 1024;
    while (length < 16 * settings->longest)
        length *= 2;
    return length;
}

static void print_fading(const CountRoom *room, double *worst) {
    const double chunks = CHUNKS - 1;  // the first inherits nothing
    double tiles = (double)(room->length / CHUNKS / TILE);
    printf("%6s%24s%16s\n", "n", "tiles corrected", "of all");
    for (size_t n = 1; n <= COUNTED_STATES; n *= 2) {
        Counts c = count(count_chunked, room, room->length, -(float)n, worst);
        double corrected = (double)(c.corrected / TILE) / chunks;
        printf("%6zu%24.1f%15.0f%%\n", n, corrected, 100 * corrected / tiles);
    }
}

static bool fading(const Settings *settings, Error *err) {
    double worst = 0;
    CountRoom room;
    if (!count_room_new(&room, counted_length(settings), settings->seed, err))
        return false;
    section("fading", "What a chunk inherits, and how soon it is gone");
    printf("%zu steps in %d chunks, each of %zu tiles of %d steps, A = -n. How "
           "many tiles\nof a chunk, on average, get a share of the state from "
           "before it:\n\n",
           room.length, CHUNKS, room.length / CHUNKS / TILE, TILE);
    print_fading(&room, &worst);
    count_room_free(&room);
    return check_below("Largest difference of any h from the loop's", worst,
                       1e-5, err);
}

// The counts of all states, A = -1, -2 and so on, for each update; what takes
// turns takes as long as the longest.
static Counts count_states(CountedScan run, const CountRoom *room,
                           double *worst) {
    Counts all = {0};
    for (size_t n = 1; n <= COUNTED_STATES; n++) {
        Counts one = count(run, room, room->length, -(float)n, worst);
        all.exps += one.exps;
        all.joins += one.joins;
        all.applied += one.applied;
        all.rounds = one.rounds > all.rounds ? one.rounds : all.rounds;
    }
    return all;
}

static void print_counted(const char *name, const char *backend, Counts c,
                          size_t length) {
    const double updates = COUNTED_STATES * (double)length;
    double multiplications = 2 * (double)c.joins + (double)c.applied;
    printf("%-10s%-12s%12.2f%12.2f%12.2f%12.2f%10zu\n", name, backend,
           (double)c.exps / updates, (double)c.joins / updates,
           (double)c.applied / updates, multiplications / updates, c.rounds);
}

static bool when_sequential(const Settings *settings, Error *err) {
    double worst = 0;
    CountRoom room;
    if (!count_room_new(&room, counted_length(settings), settings->seed, err))
        return false;
    section("when-sequential", "When the plain loop is the better choice");
    printf("Operations per state update, counted over %zu steps of %d states. "
           "A join\ntakes two multiplications, an application one.\n\n",
           room.length, COUNTED_STATES);
    printf("%-10s%-12s%12s%12s%12s%12s%10s\n", "", "backend", "exp", "joins",
           "applied", "multiply", "rounds");
    Counts loop = count_states(count_sequential, &room, &worst);
    Counts chunks = count_states(count_chunked, &room, &worst);
    Counts tree = count_states(count_tree, &room, &worst);
    print_counted("loop", "cpu", loop, room.length);
    print_counted("chunks", "parallel", chunks, room.length);
    print_counted("tree", "tree", tree, room.length);
    count_room_free(&room);
    printf("\nBeing parallel in time costs more operations. Chunks pay only "
           "where threads\nwould be idle: `cpu` has a strip of %d channels "
           "for each thread, or it has not.\n",
           SCAN_STRIP);
    value("exps-of-parallel-over-loop", (double)chunks.exps / (double)loop.exps,
          3);
    return check_below("Largest difference of any h from the loop's", worst,
                       1e-5, err);
}

// --- The backends -----------------------------------------------------------

// A scan with random inputs, and the memory behind it.
typedef struct {
    Scan scan;
    float *inputs;    // all that is const in the scan, in one piece
    size_t n_inputs;  // of floats in it
    float *first_h;   // (d_inner, N): a state to start from
} Example;

static void example_free(Example *example) {
    release(example->inputs);
    release(example->scan.y);
    *example = (Example){0};
}

// Takes count numbers from *room.
static float *take(float **room, size_t count) {
    float *taken = *room;
    *room += count;
    return taken;
}

static void fill_normal(float *x, size_t n, Random *random) {
    for (size_t i = 0; i < n; i++)
        x[i] = (float)random_normal(random, 0, 1);
}

// Delta in 0.001 .. 0.1 and A = -1 .. -N, as in a model that was just
// initialised; all else is normal. Everything a scan can have is there.
static void fill_inputs(Example *example, Random *random) {
    Scan *scan = &example->scan;
    size_t x_size = scan->length * scan->d_inner;
    size_t states = scan->d_inner * scan->d_state;
    float *in = example->inputs;
    scan->u = take(&in, x_size);
    scan->z = take(&in, x_size);
    scan->B = take(&in, scan->length * scan->d_state);
    scan->C = take(&in, scan->length * scan->d_state);
    scan->D = take(&in, scan->d_inner);
    fill_normal(example->inputs, (size_t)(in - example->inputs), random);
    float *A = take(&in, states), *delta = take(&in, x_size);
    for (size_t i = 0; i < states; i++)
        A[i] = -(float)(i % scan->d_state + 1);
    for (size_t i = 0; i < x_size; i++)
        delta[i] = (float)exp(random_uniform(random, log(0.001), log(0.1)));
    scan->A = A;
    scan->delta = delta;
}

static bool example_make(Example *example, size_t length, size_t d_inner,
                         size_t d_state, uint64_t seed, Error *err) {
    size_t x_size = length * d_inner, states = d_inner * d_state;
    *example = (Example){.scan = {.batch = 1,
                                  .length = length,
                                  .d_inner = d_inner,
                                  .d_state = d_state}};
    example->n_inputs = 3 * x_size + states + 2 * length * d_state + d_inner;
    example->inputs =
        allocate(example->n_inputs, sizeof(float), "a scan's inputs", err);
    if (example->inputs)
        example->scan.y = allocate(x_size + 2 * states, sizeof(float),
                                   "a scan's results", err);
    if (!example->scan.y) {
        example_free(example);
        return false;
    }
    // y, then h: result_error() reads them as one piece.
    example->scan.h = example->scan.y + x_size;
    example->first_h = example->scan.h + states;
    Random random = random_from_seed(seed);
    fill_inputs(example, &random);
    fill_normal(example->first_h, states, &random);
    return true;
}

// Steps [begin, end) of a scan of one sequence.
static Scan scan_part(const Scan *whole, size_t begin, size_t end) {
    Scan part = *whole;
    part.length = end - begin;
    part.u += begin * whole->d_inner;
    part.delta += begin * whole->d_inner;
    part.z += begin * whole->d_inner;
    part.y += begin * whole->d_inner;
    part.B += begin * whole->d_state;
    part.C += begin * whole->d_state;
    return part;
}

// Runs a scan with the workspace it wants.
static bool run_backend(const ScanBackend *backend, const Scan *scan,
                        Error *err) {
    void *workspace =
        allocate(backend->workspace_bytes(scan), 1, "a scan's workspace", err);
    bool ok = workspace && backend->run(scan, workspace, err);
    release(workspace);
    return ok;
}

// Runs the example from its first state, in two calls cut at `cut`.
static bool run_cut(const ScanBackend *backend, Example *example, size_t cut,
                    Error *err) {
    Scan *scan = &example->scan;
    Scan head = scan_part(scan, 0, cut);
    Scan tail = scan_part(scan, cut, scan->length);
    memcpy(scan->h, example->first_h,
           scan->d_inner * scan->d_state * sizeof *scan->h);
    return run_backend(backend, &head, err) && run_backend(backend, &tail, err);
}

// What a run left: y and h together, as they lie in memory.
static size_t result_count(const Scan *scan) {
    return scan->d_inner * (scan->length + scan->d_state);
}

// The largest difference between a run's results and the true ones, relative to
// the largest true one.
static double result_error(const Scan *scan, const double *truth) {
    double difference = 0, largest = 0;
    for (size_t i = 0; i < result_count(scan); i++) {
        difference = larger(difference, fabs(scan->y[i] - truth[i]));
        largest = larger(largest, fabs(truth[i]));
    }
    return difference / largest;
}

// The example's true y and h, every digit; NULL where there is no memory.
static double *example_truth(const Example *example, Error *err) {
    const Scan *scan = &example->scan;
    double *truth = allocate(result_count(scan), sizeof *truth,
                             "a scan in double precision", err);
    if (!truth)
        return NULL;
    double *h = truth + scan->length * scan->d_inner;
    for (size_t i = 0; i < scan->d_inner * scan->d_state; i++)
        h[i] = example->first_h[i];
    scan_in_double(scan, h, truth);
    return truth;
}

// Every backend's line: its largest error on the example.
static bool compare_backends(Example *example, Error *err) {
    const double bound = 1e-5;
    double *truth = example_truth(example, err);
    bool ok = truth != NULL;
    for (size_t i = 0; ok && i < n_scan_backends; i++) {
        const ScanBackend *backend = scan_backends[i];
        Error why_not;
        if (!backend->usable(&why_not)) {
            printf("  %-12s%s\n", backend->name, why_not.text);
            continue;
        }
        ok = run_cut(backend, example, 0, err);
        double error = ok ? result_error(&example->scan, truth) : 0;
        if (!(error < bound))
            ok = fail(err, "backend %s: wanted an error below %g, found %g",
                      backend->name, bound, error);
        if (ok)
            printf("  %-12sbelow %g   %s\n", backend->name, bound,
                   backend->summary);
    }
    release(truth);
    return ok;
}

// The largest error of y, for a scan that begins with h = 0.
static bool trial_error(double *error, const ScanTrial *trial, const char *name,
                        const double *exact, Error *err) {
    const Scan *scan = &trial->scan;
    const ScanBackend *backend = scan_backend(name, err);
    memset(scan->h, 0, scan->d_inner * scan->d_state * sizeof *scan->h);
    if (!backend || !run_backend(backend, scan, err))
        return false;
    *error = 0;
    for (size_t i = 0; i < scan->length * scan->d_inner; i++)
        *error = larger(*error, fabs(scan->y[i] - exact[i]));
    return true;
}

// Does `cpu` err much more than the formula in float32 does?
static bool compare_errors(Error *err) {
    enum { LENGTH = 2048, D_INNER = 64, N = 16 };
    ScanTrial trial;
    double naive = 0, cpu = 0;
    if (!scan_trial_new(&trial, LENGTH, D_INNER, N, err))
        return false;
    double *exact = allocate(LENGTH * D_INNER + D_INNER * N, sizeof *exact,
                             "a scan in double precision", err);
    if (exact)
        scan_in_double(&trial.scan, exact + LENGTH * D_INNER, exact);
    bool ok = exact && trial_error(&naive, &trial, "reference", exact, err) &&
              trial_error(&cpu, &trial, "cpu", exact, err);
    release(exact);
    scan_trial_free(&trial);
    if (!ok)
        return false;
    printf("\nThe largest error of %d steps and %d channels, against double "
           "precision:\n",
           LENGTH, D_INNER);
    return check_below("That of `cpu` over that of `reference`", cpu / naive, 4,
                       err);
}

static bool backends_agree(const Settings *settings, Error *err) {
    Example example;
    section("backends", "All backends, the same numbers");
    printf("Random inputs: %zu steps, %zu channels, %zu states, with D, a gate "
           "and a state\nto start from. The largest error of any y or h "
           "against double precision,\nrelative to the largest number:\n\n",
           settings->length, settings->d_inner, settings->d_state);
    if (!example_make(&example, settings->length, settings->d_inner,
                      settings->d_state, settings->seed, err))
        return false;
    bool ok = compare_backends(&example, err) && compare_errors(err);
    example_free(&example);
    return ok;
}

// --- Threads ----------------------------------------------------------------

// Are the results of so many threads those of one, bit for bit? Leaves those of
// one in `bits` (of the results' size).
static bool same_bits(const ScanBackend *backend, Example *example,
                      size_t threads, float *bits, bool *same, Error *err) {
    size_t bytes = result_count(&example->scan) * sizeof *bits;
    threads_use(1);
    if (!run_cut(backend, example, 0, err))
        return false;
    memcpy(bits, example->scan.y, bytes);
    threads_use(threads);
    if (!run_cut(backend, example, 0, err))
        return false;
    *same = memcmp(bits, example->scan.y, bytes) == 0;
    return true;
}

static bool compare_threads(Example *example, float *bits, Error *err) {
    enum { MOST_THREADS = 4 };
    printf("%-12s", "threads");
    for (size_t threads = 1; threads <= MOST_THREADS; threads++)
        printf("%8zu", threads);
    printf("\n");
    const ScanBackend *backends[MOST_BACKENDS];
    size_t n = usable_backends(backends);
    for (size_t i = 0; i < n; i++) {
        printf("%-12s", backends[i]->name);
        for (size_t threads = 1; threads <= MOST_THREADS; threads++) {
            bool same;
            if (!same_bits(backends[i], example, threads, bits, &same, err))
                return false;
            if (!same)
                return fail(err,
                            "backend %s: wanted the same bits, found "
                            "others with %zu threads",
                            backends[i]->name, threads);
            printf("%8s", "same");
        }
        printf("\n");
    }
    return true;
}

static bool threads_agree(const Settings *settings, Error *err) {
    enum { LENGTH = 1200, D_INNER = 40, N = 16 };
    size_t threads_before = threads_now();
    Example example;
    section("threads", "The same bits for any number of threads");
    if (!example_make(&example, LENGTH, D_INNER, N, settings->seed, err))
        return false;
    float *bits = allocate(result_count(&example.scan), sizeof *bits,
                           "a copy of the results", err);
    printf("y and h of %d steps and %d channels, compared byte by byte with "
           "those of one\nthread. Threads share out strips of channels and "
           "chunks of time whose bounds do\nnot depend on how many threads "
           "there are, so each number is computed the same\nway. (In a build "
           "without OpenMP there is one thread only.)\n\n",
           LENGTH, D_INNER);
    bool ok = bits && compare_threads(&example, bits, err);
    threads_use(threads_before);
    release(bits);
    example_free(&example);
    return ok;
}

// --- Cuts -------------------------------------------------------------------

// The largest difference of two runs' results, relative to the largest number.
static double results_apart(const float *found, const float *truth, size_t n) {
    double largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = larger(largest, fabs(truth[i]));
    return largest_difference(found, truth, n) / largest;
}

// One backend's line: how far the results of any cut are from those of none.
// Whole is room for results.
static bool cut_everywhere(const ScanBackend *backend, Example *example,
                           float *whole, Error *err) {
    const double bound = 1e-5;
    const Scan *scan = &example->scan;
    size_t n = result_count(scan);
    bool same = true;
    double worst = 0;
    for (size_t cut = 0; cut <= scan->length; cut++) {
        if (!run_cut(backend, example, cut, err))
            return false;
        if (cut == 0)
            memcpy(whole, scan->y, n * sizeof *whole);
        same = same && memcmp(whole, scan->y, n * sizeof *whole) == 0;
        worst = larger(worst, results_apart(scan->y, whole, n));
    }
    if (!(worst < bound))
        return fail(err, "backend %s: wanted a difference below %g, found %g",
                    backend->name, bound, worst);
    char below[32];
    snprintf(below, sizeof below, "below %g", bound);
    printf("  %-12s%-16s%s\n", backend->name, same ? "the same bits" : below,
           backend->summary);
    return true;
}

static bool cuts_agree(const Settings *settings, Error *err) {
    enum { LENGTH = 520, D_INNER = 4, N = 2 };
    Example example;
    section("cuts", "Cut anywhere, nothing changes");
    printf("%d steps in two calls, the second from the state that the first "
           "left. The\nlargest difference from one call, of all %d places to "
           "cut:\n\n",
           LENGTH, LENGTH + 1);
    if (!example_make(&example, LENGTH, D_INNER, N, settings->seed, err))
        return false;
    // One thread: more give the same bits, and would wait for one another at
    // each of these very short calls.
    size_t threads_before = threads_use(1);
    float *whole = allocate(result_count(&example.scan), sizeof *whole,
                            "a copy of the results", err);
    const ScanBackend *backends[MOST_BACKENDS];
    size_t n = usable_backends(backends);
    bool ok = whole != NULL;
    for (size_t i = 0; ok && i < n; i++)
        ok = cut_everywhere(backends[i], &example, whole, err);
    release(whole);
    threads_use(threads_before);
    example_free(&example);
    return ok;
}

// --- What goes wrong --------------------------------------------------------

// Where a state computed by P = exp(cumsum(Delta A)) goes wrong, as steps t
// from 1 on; 0 where it did not.
typedef struct {
    size_t h_infinite, P_zero, h_nan;
} Underflow;

// h_t = P_t sum_s b_s / P_s with Delta = 1/8 and b = 1/8, in float32. (1/8 and
// its multiples are exact: what goes wrong is not their rounding.)
static Underflow underflow_float(size_t n, size_t length) {
    const float delta = 0.125f, A = -(float)n;
    float cumsum = 0, sum = 0;
    Underflow found = {0};
    for (size_t t = 1; t <= length; t++) {
        cumsum += delta * A;
        float P = expf(cumsum);
        sum += delta / P;
        float h = P * sum;
        if (!found.h_infinite && isinf(h))
            found.h_infinite = t;
        if (!found.P_zero && P == 0)
            found.P_zero = t;
        if (!found.h_nan && isnan(h))
            found.h_nan = t;
    }
    return found;
}

// The same in float64; only where h is NaN.
static size_t underflow_double(size_t n, size_t length) {
    const double delta = 0.125;
    double cumsum = 0, sum = 0;
    for (size_t t = 1; t <= length; t++) {
        cumsum -= delta * (double)n;
        double P = exp(cumsum);
        sum += delta / P;
        if (isnan(P * sum))
            return t;
    }
    return 0;
}

static void exp_cumsum(void) {
    enum { LENGTH = 10000, MOST_STATES = 16 };
    section("exp-cumsum", "Why exp(cumsum(Delta A)) fails");
    printf("A tempting formula without a loop: P_t = exp(sum of Delta A up to "
           "t), then\nh_t = P_t times the sum of b_s / P_s, two cumulative "
           "sums. Delta = 1/8,\nA = -n. The first step t at which:\n\n");
    printf("%6s%16s%12s%12s%20s\n", "n", "h is infinite", "P_t is 0",
           "h is NaN", "NaN in float64");
    for (size_t n = 1; n <= MOST_STATES; n *= 2) {
        Underflow found = underflow_float(n, LENGTH);
        printf("%6zu%16zu%12zu%12zu%20zu\n", n, found.h_infinite, found.P_zero,
               found.h_nan, underflow_double(n, LENGTH));
    }
    Underflow last = underflow_float(MOST_STATES, LENGTH);
    printf("\nThe true h approaches (1/8) / (1 - exp(-n/8)). But b / P rises "
           "above the\ngreatest float and P_t falls below the least, and 0 "
           "times infinity is NaN. The\nmore a state decays, the sooner. Twice "
           "the bits only put it off. The operator\nnever divides.\n");
    const double slowest = 0.125 / -expm1(-0.125);
    const double fastest = 0.125 / -expm1(-0.125 * MOST_STATES);
    value("largest-true-h", slowest, 3);
    value("true-h-of-the-last", fastest, 2);
    value("exp-cumsum-infinite-step", (double)last.h_infinite, 6);
    value("exp-cumsum-nan-step", (double)last.h_nan, 6);
}

// The steps of the mistakes: Delta A = -0.1 and b = 1, so that h climbs towards
// 1 / (1 - exp(-0.1)).
enum { WRONG_LENGTH = 64 };
static const double wrong_log_a = -0.1;

// The true state after t steps, from h = 0.
static double right_state(size_t t) {
    double h = 0;
    for (size_t s = 0; s < t; s++)
        h = exp(wrong_log_a) * h + 1;
    return h;
}

// The L x L form of the scan: h_t = sum_{s <= t} exp(cumsum_t - cumsum_s) b_s,
// with the sign of the exponent as given: +1 is right.
static double matrix_state(size_t t, double sign) {
    double h = 0;
    for (size_t s = 1; s <= t; s++)
        h += exp(sign * (double)(t - s) * wrong_log_a);
    return h;
}

static bool mistake_sign(Error *err) {
    double worst = 0, error = 0;
    section("mistake-sign", "A mistake seen: one sign reversed");
    printf("Written out, h_t = sum of exp(cumsum_t - cumsum_s) b_s over all "
           "s <= t: an L x L\nmatrix of weights. One implementation has "
           "cumsum_s - cumsum_t instead. With\nDelta A = %g and b = 1:\n\n",
           wrong_log_a);
    printf("%6s%10s%14s%18s%18s\n", "L", "h", "sign reversed", "relative error",
           "weights stored");
    for (size_t L = 8; L <= WRONG_LENGTH; L *= 2) {
        double right = right_state(L), wrong = matrix_state(L, -1);
        error = fabs(wrong - right) / right;
        worst = larger(worst, fabs(matrix_state(L, 1) - right));
        printf("%6zu%10.2f%14.4g%18.3g%18zu\n", L, right, wrong, error, L * L);
    }
    printf("\nWhat should be forgotten grows instead. The shapes are right, "
           "nothing crashes.\nOnly a comparison with the loop finds it.\n");
    value("sign-reversed-error", error, 3);
    return check_below("Largest difference from the loop, with the right sign",
                       worst, 1e-9, err);
}

enum { WRONG_BLOCK = 16 };

// Scans blocks of b (L), joined by a carried state. As it was seen, the state
// is put into the first b of a block, and added again to every result. The
// right one does the first alone.
static void scan_blocks(double *h, bool add_again) {
    double a = exp(wrong_log_a), carry = 0;
    for (size_t begin = 0; begin < WRONG_LENGTH; begin += WRONG_BLOCK) {
        double state = 0, prefix = 1;
        for (size_t t = begin; t < begin + WRONG_BLOCK; t++) {
            double b = t == begin ? 1 + a * carry : 1;
            state = a * state + b;
            prefix *= a;
            h[t] = add_again ? state + prefix * carry : state;
        }
        carry = h[begin + WRONG_BLOCK - 1];
    }
}

static bool mistake_carry(Error *err) {
    double wrong[WRONG_LENGTH], right[WRONG_LENGTH], worst = 0, error = 0;
    scan_blocks(wrong, true);
    scan_blocks(right, false);
    section("mistake-carry", "A mistake seen: the carried state added twice");
    printf("Blocks of %d steps, joined by the state that each leaves, with "
           "Delta A = %g\nand b = 1. It enters a block by its first step. Here "
           "it is also added, as faded\nsince, to every result. The first step "
           "of each block:\n\n",
           WRONG_BLOCK, wrong_log_a);
    printf("%6s%10s%16s%18s\n", "t", "h", "added twice", "relative error");
    for (size_t t = 0; t < WRONG_LENGTH; t++) {
        worst = larger(worst, fabs(right[t] - right_state(t + 1)));
        error = larger(error, fabs(wrong[t] / right[t] - 1));
        if (t % WRONG_BLOCK == 0)
            printf("%6zu%10.2f%16.2f%18.2g\n", t + 1, right[t], wrong[t],
                   fabs(wrong[t] / right[t] - 1));
    }
    printf("\nThe first block is right, so a test on one block passes.\n");
    value("carry-twice-error", error, 2);
    return check_below("Largest difference from the loop, carried once", worst,
                       1e-9, err);
}

// A scan in blocks that saves itself a copy: the carry goes into its input b.
static double scan_into_input(double *b) {
    double a = exp(wrong_log_a), h = 0;
    for (size_t begin = 0; begin < WRONG_LENGTH; begin += WRONG_BLOCK) {
        b[begin] += a * h;  // the caller's number is gone
        h = 0;
        for (size_t t = begin; t < begin + WRONG_BLOCK; t++)
            h = a * h + b[t];
    }
    return h;
}

// Runs each backend twice on the same tensors: the same bits, inputs unharmed.
static bool twice_the_same(Example *example, float *copy, Error *err) {
    size_t n = example->n_inputs, results = result_count(&example->scan);
    memcpy(copy, example->inputs, n * sizeof *copy);
    const ScanBackend *backends[MOST_BACKENDS];
    size_t n_backends = usable_backends(backends);
    for (size_t i = 0; i < n_backends; i++) {
        const ScanBackend *backend = backends[i];
        if (!run_cut(backend, example, 0, err))
            return false;
        memcpy(copy + n, example->scan.y, results * sizeof *copy);
        if (!run_cut(backend, example, 0, err))
            return false;
        if (memcmp(copy + n, example->scan.y, results * sizeof *copy) != 0 ||
            memcmp(copy, example->inputs, n * sizeof *copy) != 0)
            return fail(err, "backend %s: wanted the same twice, found others",
                        backend->name);
        printf("  %-12ssecond call the same, inputs unchanged\n",
               backend->name);
    }
    return true;
}

static bool mistake_input(const Settings *settings, Error *err) {
    enum { LENGTH = 100, D_INNER = 5, N = 4 };
    double b[WRONG_LENGTH], first, second;
    for (size_t t = 0; t < WRONG_LENGTH; t++)
        b[t] = 1;
    first = scan_into_input(b);
    second = scan_into_input(b);
    section("mistake-input", "A mistake seen: writing into the caller's input");
    printf("The same %d steps. The carry is added to the first b of each "
           "block, in place.\nEvery b was 1:\n\n",
           WRONG_LENGTH);
    printf("  first call    h = %6.2f   right\n", first);
    printf("  second call   h = %6.2f   b_%d is now %.2f\n", second,
           WRONG_BLOCK + 1, b[WRONG_BLOCK]);
    printf("\nIn C a type can forbid it. Scan has `const float *u`, and so for "
           "delta, A, B, C,\nD and z: a backend with `scan->u[0] = 0` does not "
           "compile. Only h and y can be\nwritten. Each backend, called twice "
           "on the same tensors:\n\n");

    Example example;
    if (!example_make(&example, LENGTH, D_INNER, N, settings->seed, err))
        return false;
    float *copy = allocate(example.n_inputs + result_count(&example.scan),
                           sizeof *copy, "copies of the tensors", err);
    bool ok = copy && twice_the_same(&example, copy, err);
    release(copy);
    example_free(&example);
    value("second-call-error", fabs(second / first - 1), 2);
    return ok;
}

// --- 2^x --------------------------------------------------------------------

// What a float's bits are as a whole number, and back.
static uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

// power_of_two() step by step.
static void print_power_of_two(float x) {
    float shifted = x + exponential_shift, n = shifted - exponential_shift;
    uint32_t moved = bits_of(shifted) << 23;
    float p = (float)exp2(x - n);
    printf("  %-24s%12g\n", "x", x);
    printf("  x + %-20.0f%12.0f   rounded to a whole number\n",
           exponential_shift, shifted);
    printf("  %-24s%12g   the same taken away again\n", "n", n);
    printf("  %-24s%12.6g   between -1/2 and 1/2\n", "r = x - n", x - n);
    printf("  %-24s%12.6g   the polynomial\n", "p = 2^r", p);
    printf("  %-24s%12" PRIx32 "   of x + %.0f; the last nine are %u\n", "bits",
           bits_of(shifted), exponential_shift,
           (unsigned)(bits_of(shifted) & 0x1ff));
    printf("  %-24s%12" PRIx32 "   as a float: %g\n", "moved left by 23", moved,
           float_of(moved));
    printf("  %-24s%12.6g   power_of_two(%g) = %.6g\n\n", "p times that",
           p * float_of(moved), x, power_of_two(x));
}

// The largest error in units in the last place, for x from `least` to `most`.
static double largest_error(float function(float), double truth(double),
                            double least, double most) {
    const double step = 0x1p-10;
    double worst = 0;
    for (double x = least; x <= most; x += step) {
        double wanted = truth((float)x);
        // A float of this size has 23 binary places behind the first.
        double unit = ldexp(1, ilogb(wanted) - 23);
        worst = larger(worst, fabs(function((float)x) - wanted) / unit);
    }
    return worst;
}

// What Taylor's series for 2^r misses at r = 1/2 when it ends at this power.
static double taylor_error(size_t most) {
    double term = 1, sum = 1;
    for (size_t k = 1; k <= most; k++) {
        term *= 0.5 * log(2) / (double)k;
        sum += term;
    }
    return sqrt(2) - sum;
}

static bool exponential_checked(Error *err) {
    section("exponential", "2^x in a few additions and multiplications");
    print_power_of_two(-2.7f);
    printf("2^-1e9 = %g, 2^1e9 = %g, and of what is no number: %s\n",
           power_of_two(-1e9f), power_of_two(1e9f),
           isnan(power_of_two(NAN)) ? "no number" : "a number");
    value("taylor-error", taylor_error(6), 2);
    return check_below("Largest error of power_of_two(), in units in the last "
                       "place",
                       largest_error(power_of_two, exp2, -125, 125), 1.5,
                       err) &&
           check_below("Largest error of exponential()",
                       largest_error(exponential, exp, -86, 86), 1.5, err);
}

// --- The ladder -------------------------------------------------------------

enum { MOST_RUNGS = 12 };

// All rungs, then two works more: the exponentials alone, ours and libm's.
typedef struct {
    ScanTrial trial;
    ScanRun runs[MOST_RUNGS];
    Exponentials own, libm;
    Work works[MOST_RUNGS + 2];
    Timing timings[MOST_RUNGS + 2];
} Ladder;

// -e^x in place of each x, with libm's expf.
static bool libm_run(void *context, Error *err) {
    (void)err;
    Exponentials *exponentials = context;
    for (size_t pass = 0; pass < exponentials->passes; pass++)
        for (size_t i = 0; i < EXPONENTIALS_NEAR; i++)
            exponentials->x[i] = -expf(exponentials->x[i]);
    return true;
}

static bool ladder_new(Ladder *ladder, size_t length, Error *err) {
    enum { D_INNER = 256, N = 16, COUNT = 1 << 18, IN_A_ROW = 4 };
    size_t n = n_scan_ladder;
    bool ok = n <= MOST_RUNGS &&
              scan_trial_new(&ladder->trial, length, D_INNER, N, err);
    // All but the last with one thread. That one with all there are, several
    // times in a row: in a model they are awake, and have the inputs at hand.
    for (size_t i = 0; ok && i < n; i++) {
        bool last = i + 1 == n;
        ok = scan_run_new(&ladder->runs[i], &ladder->trial, scan_ladder[i],
                          last ? 0 : 1, err);
        ladder->runs[i].times = last ? IN_A_ROW : 1;
        ladder->works[i] = (Work){scan_run, &ladder->runs[i]};
    }
    ladder->own = exponentials_new(COUNT);
    ladder->libm = exponentials_new(COUNT);
    ladder->works[n] = (Work){exponentials_run, &ladder->own};
    ladder->works[n + 1] = (Work){libm_run, &ladder->libm};
    return ok;
}

static void ladder_free(Ladder *ladder) {
    for (size_t i = 0; i < MOST_RUNGS; i++)
        scan_run_free(&ladder->runs[i]);
    scan_trial_free(&ladder->trial);
}

// The median in nanoseconds for each update, or each exponential.
static double ladder_time(const Ladder *ladder, size_t i) {
    double count = exponentials_count(&ladder->own);
    if (i < n_scan_ladder)
        count =
            (double)ladder->runs[i].times * scan_updates(&ladder->trial.scan);
    return 1e9 * ladder->timings[i].median / count;
}

// The rung of this name.
static double rung_time(const Ladder *ladder, const char *name) {
    for (size_t i = 0; i < n_scan_ladder; i++)
        if (strcmp(scan_ladder[i]->name, name) == 0)
            return ladder_time(ladder, i);
    return NAN;
}

static void ladder_row(const Ladder *ladder, size_t i, const char *name,
                       const char *summary, Table *table) {
    double median = ladder_time(ladder, i);
    const Timing *timing = &ladder->timings[i];
    double least = median * timing->least / timing->median;
    double most = median * timing->most / timing->median;
    printf("%-13s%8.3f%8.3f%8.3f   %s\n", name, median, least, most, summary);
    if (table->open)
        fprintf(table->file.stream, "%s\t%.9g\t%.9g\t%.9g\n", name, median,
                least, most);
}

static bool ladder_table(const Ladder *ladder, const char *tsv, Error *err) {
    Table table;
    if (!table_begin(&table, tsv, "ladder.tsv", "rung\tmedian\tleast\tmost",
                     err))
        return false;
    printf("%-13s%8s%8s%8s\n", "rung", "median", "least", "most");
    for (size_t i = 0; i < n_scan_ladder; i++)
        ladder_row(ladder, i, scan_ladder[i]->name, scan_ladder[i]->summary,
                   &table);
    ladder_row(ladder, n_scan_ladder, "exponential",
               "power_of_two() and nothing else", &table);
    return table_end(&table, err);
}

static void ladder_values(const Ladder *ladder) {
    double strips = rung_time(ladder, "strips");
    double ahead = rung_time(ladder, "ahead");
    double own = ladder_time(ladder, n_scan_ladder);
    double libm = ladder_time(ladder, n_scan_ladder + 1);
    value("threads", (double)threads_now(), 4);
    value("expf-nanoseconds", libm, 2);
    value("expf-over-own", libm / own, 2);
    value("naive-nanoseconds", rung_time(ladder, "naive"), 2);
    value("fused-nanoseconds", rung_time(ladder, "fused"), 2);
    value("strips-nanoseconds", strips, 2);
    value("exp-nanoseconds", rung_time(ladder, "exp"), 2);
    value("blocked-nanoseconds", rung_time(ladder, "blocked"), 2);
    value("ahead-nanoseconds", ahead, 2);
    value("strips-over-exp", strips / rung_time(ladder, "exp"), 2);
    value("naive-over-ahead", rung_time(ladder, "naive") / ahead, 2);
    value("ahead-over-exponential", ahead / own, 3);
    value("ahead-over-threaded", ahead / rung_time(ladder, "threaded"), 3);
}

static bool ladder_measured(const Settings *settings, Error *err) {
    const double seconds = 2;
    Ladder ladder = {.runs = {{0}}};
    size_t length = settings->longest;
    section_measured("ladder", "From the formula to the fast scan");
    bool ok =
        ladder_new(&ladder, length, err) &&
        measure(ladder.timings, ladder.works, n_scan_ladder + 2, seconds, err);
    if (ok)
        printf("Nanoseconds for one update of one state: %zu steps, %zu "
               "channels, %zu states.\nAll took turns, %zu rounds.\n\n",
               length, ladder.trial.scan.d_inner, ladder.trial.scan.d_state,
               ladder.timings[0].runs);
    ok = ok && ladder_table(&ladder, settings->tsv, err);
    if (ok) {
        printf("\n");
        ladder_values(&ladder);
    }
    ladder_free(&ladder);
    return ok;
}

// --- Channels or chunks -----------------------------------------------------

enum { COMPARED = 3 };

// Nanoseconds for each update by cpu, parallel and auto, which take turns.
static bool time_compared(double nanoseconds[COMPARED], size_t length,
                          size_t d_inner, size_t threads, Error *err) {
    enum { N = 16 };
    static const char *const names[COMPARED] = {"cpu", "parallel", "auto"};
    const double seconds = 0.2;
    ScanTrial trial;
    ScanRun runs[COMPARED] = {{0}};
    Work works[COMPARED];
    Timing timings[COMPARED];
    bool ok = scan_trial_new(&trial, length, d_inner, N, err);
    for (size_t i = 0; ok && i < COMPARED; i++) {
        const ScanBackend *backend = scan_backend(names[i], err);
        ok = backend && scan_run_new(&runs[i], &trial, backend, threads, err);
        works[i] = (Work){scan_run, &runs[i]};
    }
    ok = ok && measure(timings, works, COMPARED, seconds, err);
    for (size_t i = 0; i < COMPARED; i++) {
        if (ok)
            nanoseconds[i] =
                1e9 * timings[i].median / scan_updates(&trial.scan);
        scan_run_free(&runs[i]);
    }
    scan_trial_free(&trial);
    return ok;
}

static void print_compared(size_t length, size_t d_inner,
                           const double ns[COMPARED]) {
    printf("%9zu%8zu%9zu%9.3f%11.3f%9.3f%18.2f\n", d_inner,
           (d_inner + SCAN_STRIP - 1) / SCAN_STRIP, length, ns[0], ns[1], ns[2],
           ns[0] / ns[1]);
}

// A row for each width, all of the same number of updates. first and last keep
// how many times as long as `parallel` `cpu` took for 16 channels and for most.
static bool crossover_rows(const Settings *settings, Table *table,
                           double *first, double *last, Error *err) {
    static const size_t widths[] = {8, 16, 32, 48, 64, 96, 128, 256};
    printf("%9s%8s%9s%9s%11s%9s%18s\n", "channels", "strips", "steps", "cpu",
           "parallel", "auto", "cpu / parallel");
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        size_t length = 256 * settings->longest / widths[i];
        double ns[COMPARED], row[COMPARED + 1] = {(double)widths[i]};
        if (!time_compared(ns, length, widths[i], 0, err))
            return false;
        print_compared(length, widths[i], ns);
        memcpy(row + 1, ns, sizeof ns);
        table_row(table, row, COMPARED + 1);
        *last = ns[0] / ns[1];
        if (widths[i] == SCAN_STRIP)
            *first = *last;
    }
    return true;
}

static bool crossover(const Settings *settings, Error *err) {
    double one_thread[COMPARED], first = NAN, last = NAN;
    Table table;
    section_measured("crossover", "Channels to share out, or chunks of time");
    printf("Nanoseconds for one update of one state, %zu threads:\n\n",
           threads_now());
    if (!table_begin(&table, settings->tsv, "crossover.tsv",
                     "channels\tcpu\tparallel\tauto", err))
        return false;
    if (!crossover_rows(settings, &table, &first, &last, err)) {
        if (table.open)
            file_abandon(&table.file);
        return false;
    }
    if (!table_end(&table, err) ||
        !time_compared(one_thread, 16 * settings->longest, SCAN_STRIP, 1, err))
        return false;
    printf("\n");
    value("cpu-over-parallel-one-strip", first, 3);
    value("cpu-over-parallel-many-strips", last, 2);
    value("parallel-over-cpu-one-thread", one_thread[1] / one_thread[0], 3);
    return true;
}

// --- The command line -------------------------------------------------------

static int read_settings(Settings *settings, int argc, char **argv) {
    const Option options[] = {
        {"length", 0, OPTION_COUNT, &settings->length, "L",
         "steps of the backends' comparison (200)", 1, 4096},
        {"d-inner", 0, OPTION_COUNT, &settings->d_inner, "D",
         "channels of it (20)", 1, 128},
        {"d-state", 0, OPTION_COUNT, &settings->d_state, "N",
         "states of it (16)", 1, 64},
        {"sequences", 0, OPTION_COUNT, &settings->sequences, "M",
         "of the task that wants selection (40000)", 100, 1e6},
        {"longest", 0, OPTION_COUNT, &settings->longest, "L",
         "steps of the longest scan, for many channels (4096)", 64, 16384},
        {"seed", 0, OPTION_SEED, &settings->seed, "S",
         "what the random numbers start from (1)", 0, 0},
        {"tsv", 0, OPTION_TEXT, &settings->tsv, "DIR",
         "write the table for the figure there", 0, 0},
    };
    const CommandLine line = {.program = "chapter4",
                              .summary = "The selective scan, step by step.",
                              .options = options,
                              .n_options = sizeof options / sizeof *options};
    return options_parse(&line, argc, argv, NULL);
}

int main(int argc, char **argv) {
    Settings settings = {.length = 200,
                         .d_inner = 20,
                         .d_state = 16,
                         .sequences = 40000,
                         .longest = 4096,
                         .seed = 1};
    int status = read_settings(&settings, argc, argv);
    if (status != OPTIONS_CONTINUE)
        return status;

    Error err;
    bool ok =
        by_hand(&err) && selection(&err) && selection_limits(&settings, &err) &&
        cuts_agree(&settings, &err) && exponential_checked(&err) &&
        ladder_measured(&settings, &err) && operator_checked(&settings, &err) &&
        tree_drawn(&err) && operations(&settings, &err) &&
        fading(&settings, &err) && threads_agree(&settings, &err) &&
        when_sequential(&settings, &err) && crossover(&settings, &err) &&
        backends_agree(&settings, &err);
    if (ok)
        exp_cumsum();
    ok = ok && mistake_sign(&err) && mistake_carry(&err) &&
         mistake_input(&settings, &err);
    return report_end("chapter4", ok, &err);
}
