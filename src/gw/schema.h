/* gw/schema.h - fields of the configuration as tables: one table reads YAML into structs, writes them as
 * JSON, and prints the reference in docs/configuration.md.
 *
 * A struct gw_type describes a mapping: its fields and where in a C struct they go.  Kinds of fields are in
 * schema.c's table of kinds; what a field means is in fields.c. */
#ifndef GW_SCHEMA_H
#define GW_SCHEMA_H

#include <stddef.h>

#include "gw/config.h"
#include "gw/problems.h"
#include "gw/yaml.h"

enum gw_kind {
    GW_F_STRING,   /* struct str */
    GW_F_PEM,      /* struct str: PEM text, given as it is or as the name of a file */
    GW_F_STRINGS,  /* struct str *, and a count: a list of strings */
    GW_F_BOOL,     /* bool */
    GW_F_UINT,     /* uint32_t, min..max */
    GW_F_INT,      /* int32_t, min..max */
    GW_F_DURATION, /* uint32_t milliseconds, min..max: "500ms", "5s", "2m", "1h" */
    GW_F_SIZE,     /* uint64_t bytes, min..max: 65536, "64KiB", "16MiB", "1GiB" */
    GW_F_CHOICE,   /* an enum (int): one of `choices` */
    GW_F_ADDRESS,  /* struct gw_address: host:port */
    GW_F_JSON,     /* struct str: a mapping with any content, as compact JSON */
    GW_F_VARIANT,  /* struct gw_matcher, shared by several fields: `variant` says which kind this one sets */
    GW_F_BACKEND,  /* struct gw_backend *, and a count: one backend by the name of its service; read only */
    GW_F_OBJECT,   /* a mapping of `type`, inside of this struct */
    GW_F_OPTIONAL, /* a pointer to a mapping of `type`, NULL when absent */
    GW_F_LIST,     /* a pointer to structs of `type`, and a count */
};

struct gw_choice {
    const char *name;
    int value;
};

/* Where a value stands, for messages: "routes[2].match". */
struct gw_path {
    const struct gw_path *up;
    const char *name; /* NULL: an index */
    uint32_t index;
};

struct gw_reader {
    struct arena *arena; /* of the configuration being read */
    struct gw_problems *problems;
    const struct gw_outside *outside; /* other files that were read: the same text may mean something else the
                                         next time */
};

struct gw_field {
    const char *name, *alias;
    enum gw_kind kind;
    bool required;
    bool filled;     /* LIST, STRINGS: at least one entry when given */
    uint32_t offset; /* of the value */
    uint32_t count;  /* STRINGS, LIST, BACKEND: offset of the uint32_t count */
    int64_t min, max;
    const char *fallback;            /* the default, as YAML text; NULL: none (0, nothing, an empty list) */
    const struct gw_choice *choices; /* ends with a NULL name */
    const struct gw_type *type;
    enum gw_match_kind variant;
    /* STRING, PEM, STRINGS (each), VARIANT: check and normalise; false: a problem was added. */
    bool (*check)(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                  struct str *value);
    const char *doc; /* for the reference */
};

struct gw_type {
    const char *name;  /* heading in the reference; NULL: not listed */
    const char *about; /* under the heading */
    size_t size;
    bool placed;           /* the struct begins with its struct gw_place */
    const char *shorthand; /* the field that a lone string stands for; NULL: none */
    const struct gw_field *fields;
    size_t nfields;
    /* After all fields: what concerns several of them. */
    void (*check)(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path, void *object);
};

extern const struct gw_type gw_type_config, gw_type_plugin, gw_type_alert;
/* fields_service.c: parts of a service, and of a route. */
extern const struct gw_type gw_type_header_changes, gw_type_rewrite, gw_type_route_limits;
extern const struct gw_type gw_type_hash_key, gw_type_health, gw_type_service_limits, gw_type_retries,
    gw_type_retry_budget;
/* fields_gateway.c */
extern const struct gw_type gw_type_client_address;
extern const struct gw_choice gw_log_levels[];

void gw_problem_at(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                   const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void gw_warning_at(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                   const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* The node's place with its field; and the field alone. */
struct gw_place gw_place_of(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path);
void gw_path_format(const struct gw_path *path, struct strbuf *out);

/* Read `node` into `object`, which is zeroed.  Every problem is added to the reader's; what could not be read
 * stays 0 or has its default.  `except`: a field that is not looked for, or NULL. */
void gw_type_read(struct gw_reader *r, const struct gw_type *t, const struct gw_node *node,
                  const struct gw_path *path, const char *except, void *object);
void gw_type_write(const struct gw_type *t, const void *object, struct strbuf *out);
/* The value of one field; false, nothing written: it is absent. */
bool gw_field_write(const struct gw_field *f, const void *object, struct strbuf *out);

/* host:port, [IPv6]:port; NULL or what is wrong with it. */
const char *gw_address_parse(struct arena *a, struct str text, struct gw_address *out);
void gw_address_format(const struct gw_address *a, struct strbuf *out);

#endif
