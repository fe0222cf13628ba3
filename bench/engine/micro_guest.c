/* The guest of bench/engine/micro.c. */
#include <stdint.h>

__attribute__((import_module("env"), import_name("add"))) uint32_t host_add(uint32_t a, uint32_t b);

static uint8_t page[16384];

__attribute__((export_name("call_host"))) uint32_t call_host(uint32_t n)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum = host_add(sum, i);
    }
    return sum;
}

__attribute__((export_name("twice"))) uint32_t twice(uint32_t a, uint32_t b)
{
    return a * 2 + b;
}

__attribute__((export_name("touch"))) uint32_t touch(uint32_t at)
{
    return page[at & 16383]++;
}
