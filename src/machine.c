#include "machine.h"

#include "linear.h"
#include "memory.h"

// So many sums at once: one alone would wait for each of its additions.
enum { SUMS = 64 };

bool reading_new(Reading *reading, size_t bytes, Error *err) {
    size_t count = bytes / sizeof(float) / SUMS * SUMS;
    *reading = (Reading){.count = count};
    reading->numbers =
        allocate(count, sizeof(float), "numbers to be read", err);
    if (!reading->numbers)
        return false;
    fill_uniform(reading->numbers, count, -1, 1);
    return true;
}

void reading_free(Reading *reading) {
    release(reading->numbers);
    *reading = (Reading){0};
}

bool reading_run(void *context, Error *err) {
    (void)err;
    Reading *reading = context;
    float sum = 0;
#pragma omp parallel reduction(+ : sum)
    {
        float sums[SUMS] = {0};
#pragma omp for schedule(static)
        for (size_t block = 0; block < reading->count / SUMS; block++)
            for (size_t i = 0; i < SUMS; i++)
                sums[i] += reading->numbers[block * SUMS + i];
        for (size_t i = 0; i < SUMS; i++)
            sum += sums[i];
    }
    reading->sum = sum;
    return true;
}

double reading_bytes(const Reading *reading) {
    return (double)reading->count * sizeof *reading->numbers;
}

bool product_new(Product *product, size_t rows, size_t in, size_t out,
                 Error *err) {
    *product = (Product){.rows = rows, .in = in, .out = out};
    size_t count = rows * out + rows * in + out * in;
    product->y = allocate(count, sizeof(float), "a matrix product", err);
    if (!product->y)
        return false;
    product->x = product->y + rows * out;
    product->W = product->x + rows * in;
    fill_uniform(product->x, rows * in + out * in, -1, 1);
    return true;
}

void product_free(Product *product) {
    release(product->y);
    *product = (Product){0};
}

bool product_run(void *context, Error *err) {
    (void)err;
    const Product *product = context;
    linear(product->y, product->x,
           matrix_f32(product->W, product->out, product->in), NULL,
           product->rows);
    return true;
}

double product_flops(const Product *product) {
    return 2 * (double)product->rows * (double)product->in *
           (double)product->out;
}
