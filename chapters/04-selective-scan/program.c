// Chapter 4: the selective scan, by hand, by every backend, and done wrong.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "clock.h"
#include "discretization.h"
#include "memory.h"
#include "options.h"
#include "random.h"
#include "report.h"
#include "scan.h"
#include "scan_cpu.h"
#include "scan_operator.h"
#include "scan_reference.h"
#include "scan_tree.h"

// What the command line may change.
typedef struct {
    size_t length, d_inner, d_state;
    size_t sequences;  // of the task that wants selection, for each length
    size_t longest;    // sequence that is timed
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
// state; and how many of these had to wait for one another.
typedef struct {
    size_t exps, joins, applied, rounds;
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

// What `parallel` does: chunks summarised, joined by their carries, scanned.
static void count_chunked(Counted *c) {
    enum { CHUNK = 64 };
    float carry = 0;
    for (size_t begin = 0; begin < c->length; begin += CHUNK) {
        size_t end = begin + CHUNK < c->length ? begin + CHUNK : c->length;
        ScanElement summary = {.a = 1, .b = 0};
        for (size_t t = begin; t < end; t++)
            summary = counted_join(c, summary, counted_step(c, t));
        float h = carry;
        carry = counted_apply(c, summary, carry);
        for (size_t t = begin; t < end; t++) {
            h = counted_apply(c, counted_step(c, t), h);
            c->h[t] = h;
        }
        c->counts.rounds++;  // the carry; the chunks themselves wait for none
    }
    size_t longest = c->length < CHUNK ? c->length : CHUNK;
    c->counts.rounds += 2 * longest;
}

// One of the four.
typedef void (*CountedScan)(Counted *);

enum { MOST_COUNTED = 1024 };

// Runs one on random steps; worst keeps the largest difference from the loop.
static Counts count(CountedScan run, size_t length, uint64_t seed,
                    double *worst) {
    float delta[MOST_COUNTED], delta_u[MOST_COUNTED];
    float h[MOST_COUNTED], truth[MOST_COUNTED];
    ScanElement nodes[MOST_COUNTED];
    Random random = random_from_seed(seed);
    for (size_t t = 0; t < length; t++) {
        delta[t] = (float)random_uniform(&random, 0.001, 0.1);
        delta_u[t] = delta[t] * (float)random_normal(&random, 0, 1);
    }
    Counted loop = {.delta = delta,
                    .delta_u = delta_u,
                    .A = -1,
                    .length = length,
                    .nodes = nodes,
                    .h = truth};
    Counted counted = loop;
    counted.h = h;
    count_sequential(&loop);
    run(&counted);
    *worst = larger(*worst, largest_difference(h, truth, length));
    return counted.counts;
}

static bool operations(const Settings *settings, Error *err) {
    const size_t lengths[] = {8, 64, 1024};
    double worst = 0;
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
        Counts loop = count(count_sequential, L, settings->seed, &worst);
        Counts hs = count(count_hillis_steele, L, settings->seed, &worst);
        Counts tree = count(count_tree, L, settings->seed, &worst);
        printf("%8zu%12zu%8zu%14zu%8zu%14zu%8zu\n", L, loop.joins, loop.rounds,
               hs.joins, hs.rounds, tree.joins, tree.rounds);
    }
    printf("\nThe loop joins nothing: it applies each step to the state it "
           "has. Hillis and\nSteele need log2 L rounds, the tree twice as "
           "many, and a little to finish; but\ntheir joins grow like L log L, "
           "the tree's like L. The tree's count includes the\nlast step of the "
           "drawing above, in which each node joins its own step.\n");
    return check_below("Largest difference of any h from the loop's", worst,
                       1e-5, err);
}

static void print_counted(const char *name, const char *backend, Counts c) {
    const double L = MOST_COUNTED;
    double multiplications = 2 * (double)c.joins + (double)c.applied;
    printf("%-10s%-12s%12.2f%12.2f%12.2f%12.2f%10zu\n", name, backend,
           (double)c.exps / L, (double)c.joins / L, (double)c.applied / L,
           multiplications / L, c.rounds);
}

static bool when_sequential(const Settings *settings, Error *err) {
    double worst = 0;
    uint64_t seed = settings->seed;
    section("when-sequential", "When the plain loop is the better choice");
    printf("Operations per state update, counted over %d steps. A join takes "
           "two\nmultiplications, an application one.\n\n",
           MOST_COUNTED);
    printf("%-10s%-12s%12s%12s%12s%12s%10s\n", "", "backend", "exp", "joins",
           "applied", "multiply", "rounds");
    Counts loop = count(count_sequential, MOST_COUNTED, seed, &worst);
    Counts chunks = count(count_chunked, MOST_COUNTED, seed, &worst);
    Counts tree = count(count_tree, MOST_COUNTED, seed, &worst);
    print_counted("loop", "cpu", loop);
    print_counted("chunks", "parallel", chunks);
    print_counted("tree", "tree", tree);
    printf("\nBeing parallel in time costs a second exp for every state, and "
           "joins. But\nchannels do not wait for one another: `cpu` gives each "
           "thread strips of %d\nchannels, and keeps all threads busy where "
           "there are many strips for each.\nChunks can pay only where the "
           "threads are more than twice as many as the strips;\nwith one "
           "thread they cannot.\n",
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
    bool ok = compare_backends(&example, err);
    example_free(&example);
    return ok;
}

// --- Threads ----------------------------------------------------------------

#ifdef _OPENMP

// Are the results of so many threads those of one, bit for bit? Leaves those of
// one in `bits` (of the results' size).
static bool same_bits(const ScanBackend *backend, Example *example, int threads,
                      float *bits, bool *same, Error *err) {
    size_t bytes = result_count(&example->scan) * sizeof *bits;
    omp_set_num_threads(1);
    if (!run_cut(backend, example, 0, err))
        return false;
    memcpy(bits, example->scan.y, bytes);
    omp_set_num_threads(threads);
    if (!run_cut(backend, example, 0, err))
        return false;
    *same = memcmp(bits, example->scan.y, bytes) == 0;
    return true;
}

static bool compare_threads(Example *example, float *bits, Error *err) {
    enum { MOST_THREADS = 4 };
    printf("%-12s", "threads");
    for (int threads = 1; threads <= MOST_THREADS; threads++)
        printf("%8d", threads);
    printf("\n");
    const ScanBackend *backends[MOST_BACKENDS];
    size_t n = usable_backends(backends);
    for (size_t i = 0; i < n; i++) {
        printf("%-12s", backends[i]->name);
        for (int threads = 1; threads <= MOST_THREADS; threads++) {
            bool same;
            if (!same_bits(backends[i], example, threads, bits, &same, err))
                return false;
            if (!same)
                return fail(err,
                            "backend %s: wanted the same bits, found "
                            "others with %d threads",
                            backends[i]->name, threads);
            printf("%8s", "same");
        }
        printf("\n");
    }
    return true;
}

static bool threads_agree(const Settings *settings, Error *err) {
    enum { LENGTH = 200, D_INNER = 40, N = 16 };
    int threads_before = omp_get_max_threads();
    Example example;
    section("threads", "The same bits for any number of threads");
    if (!example_make(&example, LENGTH, D_INNER, N, settings->seed, err))
        return false;
    float *bits = allocate(result_count(&example.scan), sizeof *bits,
                           "a copy of the results", err);
    printf("y and h of %d steps and %d channels, compared byte by byte with "
           "those of one\nthread. Threads share out strips of channels and "
           "chunks of time whose bounds do\nnot depend on how many threads "
           "there are, so each number is computed the same\nway.\n\n",
           LENGTH, D_INNER);
    bool ok = bits && compare_threads(&example, bits, err);
    omp_set_num_threads(threads_before);
    release(bits);
    example_free(&example);
    return ok;
}

static int thread_count(void) {
    return omp_get_max_threads();
}

static void set_thread_count(int threads) {
    omp_set_num_threads(threads);
}

#else

static bool threads_agree(const Settings *settings, Error *err) {
    (void)settings, (void)err;
    section("threads", "The same bits for any number of threads");
    printf("This program was built without OpenMP: there is one thread and "
           "nothing to\ncompare.\n");
    return true;
}

static int thread_count(void) {
    return 1;
}

static void set_thread_count(int threads) {
    (void)threads;
}

#endif

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
    enum { LENGTH = 150, D_INNER = 3, N = 4 };
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
    int threads_before = thread_count();
    set_thread_count(1);
    float *whole = allocate(result_count(&example.scan), sizeof *whole,
                            "a copy of the results", err);
    const ScanBackend *backends[MOST_BACKENDS];
    size_t n = usable_backends(backends);
    bool ok = whole != NULL;
    for (size_t i = 0; ok && i < n; i++)
        ok = cut_everywhere(backends[i], &example, whole, err);
    release(whole);
    set_thread_count(threads_before);
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

// --- Measured ---------------------------------------------------------------

enum { RUNS = 9 };

// The fastest of some runs, in nanoseconds for each update of one state: what
// else the machine does can only add to it.
static bool time_backend(const ScanBackend *backend, const Scan *scan,
                         double *nanoseconds, Error *err) {
    double least = INFINITY;
    void *workspace =
        allocate(backend->workspace_bytes(scan), 1, "a scan's workspace", err);
    bool ok = workspace != NULL;
    for (size_t i = 0; ok && i < RUNS; i++) {
        double begin = seconds_now();
        ok = backend->run(scan, workspace, err);
        least = fmin(least, seconds_now() - begin);
    }
    release(workspace);
    *nanoseconds =
        1e9 * least / (double)(scan->length * scan->d_inner * scan->d_state);
    return ok;
}

// The same for one expf, on numbers as Delta A has them.
static double time_exp(void) {
    enum { COUNT = 1 << 16 };
    double least = INFINITY;
    volatile float sink = 0;  // so that no sum is left out
    for (size_t i = 0; i < RUNS; i++) {
        float sum = 0;
        double begin = seconds_now();
        for (size_t k = 0; k < COUNT; k++)
            sum += expf(-(float)k / COUNT);
        least = fmin(least, seconds_now() - begin);
        sink = sink + sum;
    }
    return 1e9 * least / COUNT;
}

// One row: the length, then every backend's time.
static bool time_row(double row[MOST_BACKENDS + 1], size_t length,
                     size_t d_inner, size_t d_state, Error *err) {
    const ScanBackend *backends[MOST_BACKENDS];
    size_t n = usable_backends(backends);
    Example example;
    if (!example_make(&example, length, d_inner, d_state, 1, err))
        return false;
    bool ok = true;
    row[0] = (double)length;
    printf("%7zu%9zu%8d", length, d_inner, thread_count());
    for (size_t i = 0; ok && i < n; i++) {
        ok = time_backend(backends[i], &example.scan, &row[i + 1], err);
        if (ok)
            printf("%11.2f", row[i + 1]);
    }
    printf("\n");
    example_free(&example);
    return ok;
}

// The columns' names, for the screen and, with tabs between, for the file.
static void time_header(char *columns, size_t size) {
    const ScanBackend *backends[MOST_BACKENDS];
    size_t n = usable_backends(backends);
    size_t used = (size_t)snprintf(columns, size, "length");
    printf("%7s%9s%8s", "length", "channels", "threads");
    for (size_t i = 0; i < n && used < size; i++) {
        printf("%11s", backends[i]->name);
        used += (size_t)snprintf(columns + used, size - used, "\t%s",
                                 backends[i]->name);
    }
    printf("\n");
}

// What a row says of the backend of this name; 0 where it cannot run here.
static double row_time(const double row[MOST_BACKENDS + 1], const char *name) {
    const ScanBackend *backends[MOST_BACKENDS];
    size_t n = usable_backends(backends);
    for (size_t i = 0; i < n; i++)
        if (strcmp(backends[i]->name, name) == 0)
            return row[i + 1];
    return 0;
}

// How many times as long as `cpu` a row's `parallel` took.
static double parallel_over_cpu(const double row[MOST_BACKENDS + 1]) {
    return row_time(row, "parallel") / row_time(row, "cpu");
}

// The table, on the screen and in the file; row keeps the last line of it.
static bool time_table(const char *tsv, size_t d_inner, size_t d_state,
                       size_t longest, double row[MOST_BACKENDS + 1],
                       Error *err) {
    const ScanBackend *backends[MOST_BACKENDS];
    size_t n = usable_backends(backends);
    char columns[256];
    Table table;
    time_header(columns, sizeof columns);
    if (!table_begin(&table, tsv, "backends.tsv", columns, err))
        return false;
    bool ok = true;
    for (size_t length = 64; ok && length <= longest; length *= 4) {
        ok = time_row(row, length, d_inner, d_state, err);
        if (ok)
            table_row(&table, row, n + 1);
    }
    if (!ok && table.open)
        file_abandon(&table.file);
    return ok && table_end(&table, err);
}

// The last row of the table once more, with one thread for all of it.
static bool time_one_thread(double row[MOST_BACKENDS + 1], size_t length,
                            size_t d_inner, size_t d_state, Error *err) {
    int threads_before = thread_count();
    set_thread_count(1);
    bool ok = time_row(row, length, d_inner, d_state, err);
    set_thread_count(threads_before);
    return ok;
}

static bool timing(const Settings *settings, Error *err) {
    enum { D_INNER = 64, N = 16 };
    size_t longest = settings->longest;
    double many[MOST_BACKENDS + 1], channel[MOST_BACKENDS + 1];
    double thread[MOST_BACKENDS + 1];
    section_measured("timing", "How long a state update takes");
    printf("Nanoseconds for one update of one state, the fastest of %d runs, "
           "%d states:\n\n",
           RUNS, N);
    if (!time_table(settings->tsv, D_INNER, N, longest, many, err) ||
        !time_row(channel, 16 * longest, 1, N, err) ||
        !time_one_thread(thread, longest, D_INNER, N, err))
        return false;
    printf("\nThe time of `parallel` over that of `cpu` in the last three "
           "rows, and one expf\nbeside one update by `cpu` in the last, in "
           "nanoseconds:\n");
    value("threads", thread_count(), 4);
    value("parallel-over-cpu-many-channels", parallel_over_cpu(many), 2);
    value("parallel-over-cpu-one-channel", parallel_over_cpu(channel), 2);
    value("parallel-over-cpu-one-thread", parallel_over_cpu(thread), 2);
    value("expf-nanoseconds", time_exp(), 2);
    value("cpu-update-nanoseconds", row_time(thread, "cpu"), 2);
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
         "steps of the longest scan that is timed (4096)", 64, 65536},
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
    bool ok = by_hand(&err) && selection(&err) &&
              selection_limits(&settings, &err) &&
              operator_checked(&settings, &err) && tree_drawn(&err) &&
              operations(&settings, &err) && backends_agree(&settings, &err) &&
              threads_agree(&settings, &err) && cuts_agree(&settings, &err);
    if (ok)
        exp_cumsum();
    ok = ok && mistake_sign(&err) && mistake_carry(&err) &&
         mistake_input(&settings, &err) && when_sequential(&settings, &err) &&
         timing(&settings, &err);
    return report_end("chapter4", ok, &err);
}
