/* gw/yaml.h - YAML text to a tree of nodes that know their lines; trees to JSON.
 *
 * YAML 1.2 core schema: `yes`, `on`, `0b1` and dates are strings.  Anchors and aliases work within a
 * document; an alias shares its target's nodes.  Merge keys (<<), other tags than the core's and other keys
 * than scalars are errors, duplicate keys too.  All nodes and strings live in the arena given. */
#ifndef GW_YAML_H
#define GW_YAML_H

#include "base/arena.h"
#include "base/str.h"
#include "base/vec.h"
#include "gw/problems.h"

enum {
    GW_YAML_MAX_DEPTH = 64,              /* aliases written out */
    GW_YAML_MAX_ANCHORS = 1000,          /* in a document */
    GW_YAML_MAX_KEY = 1000,              /* bytes of a key, written as a JSON string */
    GW_YAML_MAX_NODES = 4 * 1000 * 1000, /* in a file, aliases written out */
    GW_YAML_MAX_BYTES = 64 << 20,        /* of a file; and of its scalars, aliases written out */
};

enum gw_node_kind {
    GW_NODE_NULL,
    GW_NODE_BOOL,
    GW_NODE_INT,
    GW_NODE_FLOAT,
    GW_NODE_STRING,
    GW_NODE_LIST,
    GW_NODE_MAP
};

struct gw_node {
    enum gw_node_kind kind;
    struct gw_place at;
    struct str text;         /* of a scalar, as written, escapes resolved */
    struct gw_node **values; /* of a list or map */
    struct gw_node **keys;   /* of a map: scalars */
    uint32_t n;
    uint64_t nodes, bytes; /* of the whole subtree with aliases written out */
    uint32_t height;       /* levels below */
};

VEC(struct gw_node *) typedef gw_node_vec;

/* Append the root of each document in `text` that is not empty.  False: problems were added; `docs` then has
 * what could be read, so that more problems can be found in it. */
bool gw_yaml_parse(struct arena *a, const char *file, struct str text, gw_node_vec *docs,
                   struct gw_problems *problems);

/* The kind of a plain (unquoted) scalar in the core schema. */
enum gw_node_kind gw_yaml_resolve(struct str text);

/* The value of `key`, or NULL. */
const struct gw_node *gw_node_find(const struct gw_node *map, const char *key);

/* "a string", "a list", ...; static, for messages. */
const char *gw_node_kind_name(enum gw_node_kind kind);

/* Compact JSON, keys in order, numbers as written as far as JSON allows.  NULL, or the node that JSON
 * cannot hold (an infinity, a number of more than 64 bits written in hexadecimal). */
const struct gw_node *gw_node_to_json(const struct gw_node *n, struct strbuf *out);

/* A JSON string that a YAML reader takes for the same text: all that YAML would fold or refuse is escaped. */
void gw_json_string(struct strbuf *out, struct str s);

#endif
