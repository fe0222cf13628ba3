/* Jacobi iteration on a square grid: five-point stencil in double precision, two arrays. */
#include "kernel.h"

enum { N = 512 };
static double grid[2][N][N];

KERNEL uint32_t run(void)
{
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            grid[0][i][j] = grid[1][i][j] = (double)((i * 31 + j * 17) % 101);
        }
    }
    for (int round = 0; round < 1000; round++) {
        double(*from)[N] = grid[round % 2], (*to)[N] = grid[1 - round % 2];
        for (int i = 1; i < N - 1; i++) {
            for (int j = 1; j < N - 1; j++) {
                to[i][j] =
                    0.2 * (from[i][j] + from[i][j - 1] + from[i][j + 1] + from[i - 1][j] + from[i + 1][j]);
            }
        }
    }
    double sum = 0;
    for (int i = 0; i < N; i++) {
        sum += grid[0][i][i];
    }
    return (uint32_t)(int64_t)(sum * 1000);
}
