/* Five bodies under gravity: scalar double precision with square roots and divisions. */
#include "kernel.h"

struct body {
    double x[3], v[3], mass;
};

static struct body bodies[5];

static double root(double v)
{
    return __builtin_sqrt(v);
}

static void step(double dt)
{
    for (int i = 0; i < 5; i++) {
        for (int j = i + 1; j < 5; j++) {
            double d[3], dist2 = 0;
            for (int k = 0; k < 3; k++) {
                d[k] = bodies[i].x[k] - bodies[j].x[k];
                dist2 += d[k] * d[k];
            }
            double mag = dt / (dist2 * root(dist2));
            for (int k = 0; k < 3; k++) {
                bodies[i].v[k] -= d[k] * bodies[j].mass * mag;
                bodies[j].v[k] += d[k] * bodies[i].mass * mag;
            }
        }
    }
    for (int i = 0; i < 5; i++) {
        for (int k = 0; k < 3; k++) {
            bodies[i].x[k] += dt * bodies[i].v[k];
        }
    }
}

KERNEL uint32_t run(void)
{
    for (int i = 0; i < 5; i++) {
        for (int k = 0; k < 3; k++) {
            bodies[i].x[k] = (double)((i + 1) * (k + 2)) * (i % 2 ? 1.5 : -0.7);
            bodies[i].v[k] = (double)(k - i) * 0.01;
        }
        bodies[i].mass = 1.0 / (i + 1);
    }
    for (int i = 0; i < 1500000; i++) {
        step(0.001);
    }
    double energy = 0;
    for (int i = 0; i < 5; i++) {
        energy += bodies[i].mass * (bodies[i].v[0] * bodies[i].v[0] + bodies[i].v[1] * bodies[i].v[1]);
    }
    return (uint32_t)(int64_t)(energy * 1e6);
}
