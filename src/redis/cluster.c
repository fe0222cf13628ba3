/* redis/cluster.c - slots, keys and redirections (redis.io, "Redis cluster specification"). */
#include "redis/cluster.h"

#include "base/resp.h"

enum { MAX_ELEMENTS = 4096 }; /* of a range (a master and its replicas), and of a node */

/* ---- slots --------------------------------------------------------------------------------- */

/* CRC-16/XMODEM, by halves of a byte. */
static uint32_t crc16(struct str s)
{
    static const uint16_t table[16] = {0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
                                       0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef};
    uint16_t crc = 0;

    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];
        crc = (uint16_t)(crc << 4 ^ table[crc >> 12 ^ c >> 4]);
        crc = (uint16_t)(crc << 4 ^ table[crc >> 12 ^ (c & 15)]);
    }
    return crc;
}

uint32_t redis_slot(struct str key)
{
    size_t open = str_find_char(key, '{');
    struct str tag = str_slice(key, open + 1, key.len);
    size_t len = str_find_char(tag, '}');

    return crc16(len < tag.len && len != 0 ? str_slice(tag, 0, len) : key) % REDIS_SLOTS;
}

/* ---- keys ---------------------------------------------------------------------------------- */

/* Where the first key of a command stands, if it is not its first argument. */
static const struct {
    struct str name;
    uint8_t position; /* of the key; 0: none */
    uint8_t count_at; /* of the number of keys, or 0 */
} keys[] = {
    {STR("PING"), 0, 0},       {STR("ECHO"), 0, 0},       {STR("TIME"), 0, 0},       {STR("INFO"), 0, 0},
    {STR("DBSIZE"), 0, 0},     {STR("KEYS"), 0, 0},       {STR("SCAN"), 0, 0},       {STR("RANDOMKEY"), 0, 0},
    {STR("FLUSHALL"), 0, 0},   {STR("FLUSHDB"), 0, 0},    {STR("PUBLISH"), 0, 0},    {STR("PUBSUB"), 0, 0},
    {STR("SCRIPT"), 0, 0},     {STR("FUNCTION"), 0, 0},   {STR("CLIENT"), 0, 0},     {STR("CONFIG"), 0, 0},
    {STR("CLUSTER"), 0, 0},    {STR("COMMAND"), 0, 0},    {STR("WAIT"), 0, 0},       {STR("ROLE"), 0, 0},
    {STR("ACL"), 0, 0},        {STR("LATENCY"), 0, 0},    {STR("SLOWLOG"), 0, 0},    {STR("MODULE"), 0, 0},
    {STR("BITOP"), 2, 0},      {STR("OBJECT"), 2, 0},     {STR("MEMORY"), 2, 0},     {STR("XINFO"), 2, 0},
    {STR("XGROUP"), 2, 0},     {STR("DEBUG"), 2, 0},      {STR("MIGRATE"), 3, 0},    {STR("EVAL"), 3, 2},
    {STR("EVALSHA"), 3, 2},    {STR("EVAL_RO"), 3, 2},    {STR("EVALSHA_RO"), 3, 2}, {STR("FCALL"), 3, 2},
    {STR("FCALL_RO"), 3, 2},   {STR("BLMPOP"), 3, 2},     {STR("BZMPOP"), 3, 2},     {STR("LMPOP"), 2, 1},
    {STR("ZMPOP"), 2, 1},      {STR("ZUNION"), 2, 1},     {STR("ZINTER"), 2, 1},     {STR("ZDIFF"), 2, 1},
    {STR("SINTERCARD"), 2, 1}, {STR("ZINTERCARD"), 2, 1},
};

/* The argument behind STREAMS. */
static bool stream_key(struct str command, struct str *key)
{
    struct str word;

    for (size_t i = 1; resp_argument(command, i, &word); i++) {
        if (str_ieq(word, STR("STREAMS"))) {
            return resp_argument(command, i + 1, key);
        }
    }
    return false;
}

bool redis_command_key(struct str command, struct str *key)
{
    struct str name, count;

    if (!resp_argument(command, 0, &name)) {
        return false;
    }
    if (str_ieq(name, STR("XREAD")) || str_ieq(name, STR("XREADGROUP"))) {
        return stream_key(command, key);
    }
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (str_ieq(name, keys[i].name)) {
            if (keys[i].count_at != 0 &&
                (!resp_argument(command, keys[i].count_at, &count) || str_eq(count, STR("0")))) {
                return false;
            }
            return keys[i].position != 0 && resp_argument(command, keys[i].position, key);
        }
    }
    return resp_argument(command, 1, key);
}

/* ---- replies --------------------------------------------------------------------------------- */

static bool read_number(struct str s, uint32_t most, uint32_t *out)
{
    uint64_t v;

    if (!str_to_u64(s, &v) || v > most) {
        return false;
    }
    *out = (uint32_t)v;
    return true;
}

bool redis_redirect_read(struct str reply, struct redis_redirect *out)
{
    struct resp_item item;
    struct redis_redirect r;

    if (!resp_cut(&reply, &item) || item.kind != RESP_ERROR) {
        return false;
    }
    struct str address = item.text, word = str_cut(&address, ' '), slot = str_cut(&address, ' ');
    size_t colon = address.len;
    while (colon != 0 && address.at[colon - 1] != ':') { /* an IPv6 address has others, and no brackets */
        colon--;
    }
    if ((!str_eq(word, STR("MOVED")) && !str_eq(word, STR("ASK"))) || colon == 0 ||
        !read_number(slot, REDIS_SLOTS - 1, &r.slot) ||
        !read_number(str_slice(address, colon, address.len), UINT16_MAX, &r.port) || r.port == 0) {
        return false;
    }
    r.ask = word.at[0] == 'A';
    r.host = str_slice(address, 0, colon - 1);
    *out = r;
    return true;
}

static bool cut_number(struct str *rest, int64_t most, uint32_t *out)
{
    struct resp_item item;

    if (!resp_cut(rest, &item) || item.kind != RESP_INTEGER || item.number < 0 || item.number > most) {
        return false;
    }
    *out = (uint32_t)item.number;
    return true;
}

/* [first, last, [host, port, ...], replicas...]: the head of the array is cut already. */
static bool cut_range(struct str *rest, int64_t n, struct redis_range *r)
{
    struct resp_item node, host;
    struct str skipped;

    if (n < 3 || n > MAX_ELEMENTS || !cut_number(rest, REDIS_SLOTS - 1, &r->first) ||
        !cut_number(rest, REDIS_SLOTS - 1, &r->last) || r->first > r->last || !resp_cut(rest, &node) ||
        node.kind != RESP_ARRAY || node.number < 2 || node.number > MAX_ELEMENTS || !resp_cut(rest, &host) ||
        (host.kind != RESP_BULK && host.kind != RESP_NULL) || !cut_number(rest, UINT16_MAX, &r->port)) {
        return false;
    }
    r->host = host.text;
    for (int64_t left = node.number - 2 + n - 3; left > 0; left--) {
        if (!resp_cut_reply(rest, &skipped)) {
            return false;
        }
    }
    return true;
}

bool redis_slots_read(struct str reply, void (*each)(void *data, const struct redis_range *range), void *data)
{
    struct resp_item list, item;
    struct redis_range range;

    for (int pass = 0; pass < 2; pass++) { /* the first only checks */
        struct str rest = reply;
        if (!resp_cut(&rest, &list) || list.kind != RESP_ARRAY || list.number > REDIS_SLOTS) {
            return false;
        }
        for (int64_t i = 0; i < list.number; i++) {
            if (!resp_cut(&rest, &item) || item.kind != RESP_ARRAY ||
                !cut_range(&rest, item.number, &range)) {
                return false;
            }
            if (pass == 1) {
                each(data, &range);
            }
        }
        if (rest.len != 0) {
            return false;
        }
    }
    return true;
}
