// Random numbers: the same on every machine, and of the distribution named.
#include "random.h"

#include <criterion/criterion.h>
#include <math.h>

#include "compare.h"
#include "failing_memory.h"

TestSuite(random, .fini = nothing_leaks);

enum { MANY = 200000 };

// The first numbers of SplitMix64 as published for seed 0, and for the seed of
// the test of its reference implementation.
Test(random, bits_are_splitmix64) {
    Random random = random_from_seed(0);
    cr_assert_eq(random_bits(&random), 0xe220a8397b1dcdafu);
    cr_assert_eq(random_bits(&random), 0x6e789e6aa1b965f4u);
    cr_assert_eq(random_bits(&random), 0x06c45d188009454fu);

    random = random_from_seed(1234567);
    cr_assert_eq(random_bits(&random), 6457827717110365317u);
    cr_assert_eq(random_bits(&random), 3203168211198807973u);
    cr_assert_eq(random_bits(&random), 9817491932198370423u);
}

Test(random, a_copy_of_the_state_has_the_same_future) {
    Random random = random_from_seed(42);
    for (int i = 0; i < 10; i++)
        random_normal(&random, 0, 1);
    Random copy = random;
    for (int i = 0; i < 10; i++)
        cr_assert_eq(random_normal(&random, 0, 1), random_normal(&copy, 0, 1));
}

Test(random, uniform_is_the_upper_53_bits) {
    Random random = random_from_seed(0), same = random;
    for (int i = 0; i < 1000; i++) {
        uint64_t bits = random_bits(&same);
        double wanted = ldexp((double)(bits >> 11), -53);
        cr_assert_eq(random_uniform(&random, 0, 1), wanted);
    }
    // 0xe220a8397b1dcdaf / 2^64 = 0.88331...
    random = random_from_seed(0);
    compare_number("uniform", 0, random_uniform(&random, 0, 1),
                   0.8833108082136426, 1e-15);
}

Test(random, uniform_stays_within_its_bounds) {
    Random random = random_from_seed(1);
    double least = 5, most = -3;
    for (int i = 0; i < MANY; i++) {
        double x = random_uniform(&random, -3, 5);
        if (!(x >= -3 && x < 5))
            cr_assert_fail("wanted [-3, 5), found %.17g", x);
        least = fmin(least, x);
        most = fmax(most, x);
    }
    // Of 200,000 numbers, one lies within 0.01 of each end but with
    // probability (1 - 0.01/8)^200000 < 1e-100.
    cr_assert(least < -2.99 && most > 4.99);
    cr_assert_eq(random_uniform(&random, 2, 2), 2);
}

// The mean of f(x)^power over MANY numbers.
static double moment(double (*draw)(Random *, double, double), double a,
                     double b, int power) {
    Random random = random_from_seed(7);
    double sum = 0;
    for (int i = 0; i < MANY; i++)
        sum += pow(draw(&random, a, b), power);
    return sum / MANY;
}

// The mean of n numbers with variance v strays by sqrt(v / n); the bounds are
// four times that, and the seed is fixed.
static double four_errors(double variance) {
    return 4 * sqrt(variance / MANY);
}

Test(random, uniform_has_its_moments) {
    // U(-1, 1): E x^k = 1/(k+1) for even k, 0 for odd k.
    for (int k = 1; k <= 4; k++) {
        double wanted = k % 2 ? 0 : 1.0 / (k + 1);
        double variance = 1.0 / (2 * k + 1) - wanted * wanted;
        compare_number("moment of U(-1, 1)", (size_t)k,
                       moment(random_uniform, -1, 1, k), wanted,
                       four_errors(variance));
    }
}

Test(random, normal_has_its_moments) {
    // N(0, 1): E x^k = 1, 3, 15, 105 for k = 2, 4, 6, 8, 0 for odd k.
    const double wanted[] = {1, 0, 1, 0, 3, 0, 15, 0, 105};
    for (int k = 1; k <= 4; k++) {
        double variance = wanted[2 * k] - wanted[k] * wanted[k];
        compare_number("moment of N(0, 1)", (size_t)k,
                       moment(random_normal, 0, 1, k), wanted[k],
                       four_errors(variance));
    }
}

Test(random, normal_is_shifted_and_stretched) {
    Random random = random_from_seed(3), same = random;
    for (int i = 0; i < 1000; i++) {
        double standard = random_normal(&same, 0, 1);
        compare_number("N(5, 0.25)", (size_t)i, random_normal(&random, 5, 0.25),
                       5 + 0.25 * standard, 1e-14);
    }
    cr_assert_eq(random_normal(&random, 2, 0), 2);
}

// How many of a normal distribution lie within one and two deviations.
Test(random, normal_has_its_bell) {
    Random random = random_from_seed(9);
    double one = 0, two = 0;
    for (int i = 0; i < MANY; i++) {
        double x = fabs(random_normal(&random, 0, 1));
        one += x < 1;
        two += x < 2;
    }
    double wanted_one = erf(1 / sqrt(2)), wanted_two = erf(2 / sqrt(2));
    compare_number("share within 1", 0, one / MANY, wanted_one,
                   four_errors(wanted_one * (1 - wanted_one)));
    compare_number("share within 2", 0, two / MANY, wanted_two,
                   four_errors(wanted_two * (1 - wanted_two)));
}

// The correlation of neighbours in one sequence, and of neighbouring seeds.
Test(random, numbers_do_not_follow_from_the_one_before) {
    Random random = random_from_seed(11);
    double before = random_normal(&random, 0, 1), sum = 0, seeds = 0;
    for (uint64_t i = 0; i < MANY; i++) {
        double x = random_normal(&random, 0, 1);
        sum += before * x;
        before = x;
        Random one = random_from_seed(i), other = random_from_seed(i + 1);
        seeds += random_normal(&one, 0, 1) * random_normal(&other, 0, 1);
    }
    compare_number("neighbours", 0, sum / MANY, 0, four_errors(1));
    compare_number("seeds", 0, seeds / MANY, 0, four_errors(1));
}
