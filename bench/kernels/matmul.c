/* Matrix product in double precision, rows by columns: the stencil of compilers' vectorisers. */
#include "kernel.h"

enum { N = 192 };
static double a[N][N], b[N][N], c[N][N];

KERNEL uint32_t run(void)
{
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            a[i][j] = (double)(i * j % 7) + 0.5;
            b[i][j] = (double)(i + j) / N;
            c[i][j] = 0;
        }
    }
    for (int round = 0; round < 96; round++) {
        for (int i = 0; i < N; i++) {
            for (int k = 0; k < N; k++) {
                double x = a[i][k];
                for (int j = 0; j < N; j++) {
                    c[i][j] += x * b[k][j];
                }
            }
        }
    }
    double sum = 0;
    for (int i = 0; i < N; i++) {
        sum += c[i][(i * 7) % N];
    }
    return (uint32_t)(int64_t)sum;
}
