/* spec/script.c - runs one file of the suite: its commands in order, each a pass or a failure with a reason.
 *
 * Everything a script makes lives until its end, because later modules may be linked with it. */
#include "spec/script.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spec/compile.h"
#include "spec/spectest.h"
#include "spec/value.h"
#include "weir/engine.h"

enum { THINGS_MOST = 4096, CELLS_MOST = 2 * 1024 };

struct named {
    char name[64];
    char lacks[64]; /* the feature for want of which `thing` is NULL */
    void *thing;
};

struct script {
    enum weir_tier tier;
    struct weir_linker *linker;
    struct named defs[THINGS_MOST], insts[THINGS_MOST]; /* newest last; unnamed ones have "" */
    unsigned ndefs, ninsts;
    struct named absent[THINGS_MOST]; /* modules that could not be registered */
    unsigned nabsent;
    struct weir_instance *current; /* NULL when the latest could not be made, for want of: */
    char current_lacks[64];
    char lacks[64]; /* the feature that the thing last looked for would need */
    struct weir_trap trap;
    char reason[512];
};

static const char *text(json_t *v, const char *key)
{
    const char *s = json_string_value(json_object_get(v, key));
    return s != NULL ? s : "";
}

static bool fail(struct script *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->reason, sizeof s->reason, fmt, ap);
    va_end(ap);
    return false;
}

static void keep(struct script *s, struct named *list, unsigned *n, const char *name, void *thing)
{
    if (*n == THINGS_MOST) {
        abort();
    }
    snprintf(list[*n].name, sizeof list[*n].name, "%s", name);
    snprintf(list[*n].lacks, sizeof list[*n].lacks, "%s", thing == NULL ? s->lacks : "");
    list[(*n)++].thing = thing;
}

/* The newest of that name; of any name if NULL. */
static void *find(struct script *s, const struct named *list, unsigned n, const char *name)
{
    while (n-- > 0) {
        if (name == NULL || strcmp(list[n].name, name) == 0) {
            snprintf(s->lacks, sizeof s->lacks, "%s", list[n].lacks);
            return list[n].thing;
        }
    }
    return NULL;
}

/* A refusal for want of a feature says its name behind the last colon. */
static void note_lacking(struct script *s, weir_status st, const struct weir_report *rep)
{
    const char *colon = strrchr(rep->message, ':');
    const char *feature = colon != NULL ? colon + 2 : rep->message;
    int len = (int)strcspn(feature, "\n");
    const char *tail = strstr(feature, " is not supported");
    if (tail != NULL) {
        len = (int)(tail - feature);
    }
    snprintf(s->lacks, sizeof s->lacks, "%.*s", st == WEIR_E_UNSUPPORTED ? len : 0, feature);
}

/* ---- modules --------------------------------------------------------------------------------- */

static uint8_t *base64(const char *s, size_t *len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t *out = malloc(strlen(s) / 4 * 3 + 3);
    uint32_t bits = 0;
    unsigned have = 0;
    *len = 0;
    for (; *s != '\0' && *s != '='; s++) {
        bits = bits << 6 | (uint32_t)(strchr(digits, *s) - digits);
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[(*len)++] = (uint8_t)(bits >> have);
        }
    }
    return out;
}

static struct weir_module *load(struct script *s, json_t *cmd, struct weir_report *rep)
{
    struct weir_module *m = NULL;
    size_t len;
    uint8_t *bytes = base64(text(cmd, "wasm"), &len);
    weir_report_init(rep);
    note_lacking(s, weir_module_new(bytes, len, WEIR_FEATURES_ALL, &m, rep), rep);
    free(bytes);
    return m;
}

/* The module a command means; those loaded here are kept for the end. */
static struct weir_module *module_of(struct script *s, json_t *cmd, struct weir_report *rep)
{
    if (json_is_string(json_object_get(cmd, "wasm"))) {
        struct weir_module *m = load(s, cmd, rep);
        keep(s, s->defs, &s->ndefs, "", m);
        return m;
    }
    if (json_is_string(json_object_get(cmd, "definition"))) {
        return find(s, s->defs, s->ndefs, text(cmd, "definition"));
    }
    return find(s, s->defs, s->ndefs, NULL);
}

static const char *report_text(const struct weir_report *rep)
{
    static char line[512];
    weir_report_format(rep, line, sizeof line);
    return line;
}

static weir_status instantiate(struct script *s, struct weir_module *m, struct weir_instance **out,
                               struct weir_report *rep)
{
    struct weir_instance_options opt = {.tier = s->tier};
    weir_report_init(rep);
    weir_status st = s->tier == WEIR_TIER_AOT ? spec_compile(m, rep) : WEIR_OK;
    if (st != WEIR_OK) {
        return st;
    }
    return weir_instance_new(m, s->linker, &opt, out, &s->trap, rep);
}

/* An import that is missing because its module was refused. */
static void note_absent(struct script *s, const struct weir_report *rep)
{
    for (unsigned i = 0; i < s->nabsent; i++) {
        if (strstr(rep->message, s->absent[i].name) != NULL) {
            strcpy(s->lacks, s->absent[i].lacks);
        }
    }
}

static bool cmd_definition(struct script *s, json_t *cmd)
{
    struct weir_report rep;
    struct weir_module *m = load(s, cmd, &rep);
    keep(s, s->defs, &s->ndefs, text(cmd, "name"), m);
    return m != NULL || fail(s, "%s", report_text(&rep));
}

static bool cmd_instance(struct script *s, json_t *cmd)
{
    struct weir_report rep;
    struct weir_module *m = module_of(s, cmd, &rep);
    s->current = NULL;
    s->current_lacks[0] = '\0';
    if (m != NULL && instantiate(s, m, &s->current, &rep) == WEIR_OK) {
        keep(s, s->insts, &s->ninsts, text(cmd, "name"), s->current);
        return true;
    }
    if (m != NULL) {
        note_absent(s, &rep);
    }
    strcpy(s->current_lacks, s->lacks);
    keep(s, s->insts, &s->ninsts, text(cmd, "name"), NULL);
    return fail(s, "%s", m == NULL ? "its definition was refused" : report_text(&rep));
}

static struct weir_instance *instance_of(struct script *s, json_t *at, const char *key)
{
    if (json_is_string(json_object_get(at, key))) {
        return find(s, s->insts, s->ninsts, text(at, key));
    }
    strcpy(s->lacks, s->current_lacks);
    return s->current;
}

static bool cmd_register(struct script *s, json_t *cmd)
{
    struct weir_instance *inst = instance_of(s, cmd, "name");
    if (inst == NULL) {
        char quoted[64];
        snprintf(quoted, sizeof quoted, "\"%s\"", text(cmd, "as"));
        keep(s, s->absent, &s->nabsent, quoted, NULL);
        return fail(s, "no instance to register");
    }
    weir_linker_add_instance(s->linker, text(cmd, "as"), inst);
    return true;
}

static bool cmd_refused(struct script *s, json_t *cmd)
{
    struct weir_report rep;
    struct weir_module *m = load(s, cmd, &rep);
    weir_module_unref(m);
    return m == NULL || fail(s, "accepted; expected: %s", text(cmd, "text"));
}

static bool text_fits(const char *want, const char *got)
{
    return strncmp(got, want, strlen(want)) == 0 || strncmp(want, got, strlen(got)) == 0;
}

static bool cmd_unlinkable(struct script *s, json_t *cmd)
{
    struct weir_report rep;
    struct weir_instance *inst = NULL;
    struct weir_module *m = module_of(s, cmd, &rep);
    if (m == NULL) {
        return fail(s, "its module was refused: %s", report_text(&rep));
    }
    weir_status st = instantiate(s, m, &inst, &rep);
    if (inst != NULL) {
        keep(s, s->insts, &s->ninsts, "", inst);
    }
    note_absent(s, &rep);
    if (st != WEIR_E_LINK) {
        return fail(s, "came to %s, expected link error: %s", weir_status_name(st), text(cmd, "text"));
    }
    return text_fits(text(cmd, "text"), rep.message) ||
           fail(s, "'%s', expected '%s'", rep.message, text(cmd, "text"));
}

static bool cmd_uninstantiable(struct script *s, json_t *cmd)
{
    struct weir_report rep;
    struct weir_instance *inst = NULL;
    struct weir_module *m = module_of(s, cmd, &rep);
    if (m == NULL) {
        return fail(s, "its module was refused: %s", report_text(&rep));
    }
    weir_status st = instantiate(s, m, &inst, &rep);
    if (inst != NULL) {
        keep(s, s->insts, &s->ninsts, "", inst);
    }
    if (st != WEIR_E_TRAP) {
        return fail(s, "came to %s, expected trap: %s", weir_status_name(st), text(cmd, "text"));
    }
    return text_fits(text(cmd, "text"), s->trap.message) ||
           fail(s, "'%s', expected '%s'", s->trap.message, text(cmd, "text"));
}

/* ---- actions ------------------------------------------------------------------------------------ */

struct result {
    weir_status status;
    uint32_t n;
    const uint8_t *types;
    uint8_t global_type;
    uint64_t cells[CELLS_MOST];
};

/* False: the action could not be tried, the reason is set. */
static bool act(struct script *s, json_t *action, struct result *r)
{
    struct weir_instance *inst = instance_of(s, action, "module");
    if (inst == NULL) {
        return fail(s, "there is no instance to act on");
    }
    size_t len, i;
    char *name = spec_name(json_object_get(action, "field"), &len);
    bool ok = false;
    if (strcmp(text(action, "type"), "get") == 0) {
        enum weir_valtype type = WEIR_I32;
        ok = weir_instance_get_global(inst, name, len, r->cells, &type);
        r->status = WEIR_OK;
        r->n = 1;
        r->global_type = (uint8_t)type;
        r->types = &r->global_type;
        free(name);
        return ok || fail(s, "no such global");
    }
    struct weir_func *f = weir_instance_find_func(inst, name, len);
    free(name);
    if (f == NULL) {
        return fail(s, "no such function");
    }
    const struct weir_functype *type = weir_func_type(f);
    uint32_t at = 0;
    json_t *arg;
    json_array_foreach(json_object_get(action, "args"), i, arg)
    {
        uint64_t two[2];
        unsigned n = spec_value_to_cells(arg, two);
        if (n == 0) {
            return fail(s, "argument of a type that the engine does not have");
        }
        memcpy(&r->cells[at], two, n * sizeof two[0]);
        at += n;
    }
    if (at != type->param_cells) {
        return fail(s, "arguments do not fit the function");
    }
    r->status = weir_func_call(f, r->cells, &s->trap);
    r->n = type->nresults;
    r->types = type->results;
    return true;
}

static bool cmd_return(struct script *s, json_t *cmd)
{
    static struct result r;
    if (!act(s, json_object_get(cmd, "action"), &r)) {
        return false;
    }
    if (r.status != WEIR_OK) {
        return fail(s, "%s: %s", weir_status_name(r.status), s->trap.message);
    }
    json_t *expected = json_object_get(cmd, "expected");
    if (expected == NULL) { /* an action without an assertion */
        return true;
    }
    if (json_array_size(expected) != r.n) {
        return fail(s, "%u results", r.n);
    }
    for (uint32_t i = 0, at = 0; i < r.n; i++) {
        json_t *want = json_array_get(expected, i);
        if (!spec_value_matches(want, (enum weir_valtype)r.types[i], &r.cells[at])) {
            char *dump = json_dumps(want, JSON_COMPACT);
            fail(s, "result %u is 0x%llx:%llx, expected %s", i, (unsigned long long)r.cells[at],
                 (unsigned long long)r.cells[at + 1], dump);
            free(dump);
            return false;
        }
        at += r.types[i] == WEIR_V128 ? 2 : 1;
    }
    return true;
}

static bool cmd_trap(struct script *s, json_t *cmd)
{
    static struct result r;
    if (!act(s, json_object_get(cmd, "action"), &r)) {
        return false;
    }
    if (r.status != WEIR_E_TRAP) {
        return fail(s, "came to %s, expected trap: %s", weir_status_name(r.status), text(cmd, "text"));
    }
    return text_fits(text(cmd, "text"), s->trap.message) ||
           fail(s, "'%s', expected '%s'", s->trap.message, text(cmd, "text"));
}

static bool cmd_exception(struct script *s, json_t *cmd)
{
    (void)cmd;
    strcpy(s->lacks, "exceptions");
    return fail(s, "the engine has no exceptions");
}

/* ---- the script ------------------------------------------------------------------------------------ */

static const struct {
    const char *type;
    bool (*run)(struct script *s, json_t *cmd);
} commands[] = {
    {"module_definition", cmd_definition},
    {"module_instance", cmd_instance},
    {"register", cmd_register},
    {"action", cmd_return},
    {"assert_return", cmd_return},
    {"assert_trap", cmd_trap},
    {"assert_exhaustion", cmd_trap},
    {"assert_exception", cmd_exception},
    {"assert_invalid", cmd_refused},
    {"assert_malformed", cmd_refused},
    {"assert_unlinkable", cmd_unlinkable},
    {"assert_uninstantiable", cmd_uninstantiable},
};

static bool run_command(struct script *s, json_t *cmd)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i].type, text(cmd, "type")) == 0) {
            return commands[i].run(s, cmd);
        }
    }
    return fail(s, "no such command");
}

static void add_spectest(struct script *s)
{
    struct weir_module *m = NULL;
    struct weir_instance *inst = NULL;
    struct weir_report rep;
    weir_report_init(&rep);
    if (weir_module_new(spectest_wasm, sizeof spectest_wasm, WEIR_FEATURES_ALL, &m, &rep) != WEIR_OK ||
        instantiate(s, m, &inst, &rep) != WEIR_OK) {
        fprintf(stderr, "spectest: %s\n", report_text(&rep));
        exit(1);
    }
    weir_linker_add_instance(s->linker, "spectest", inst);
    keep(s, s->defs, &s->ndefs, "", m);
    keep(s, s->insts, &s->ninsts, "", inst);
}

bool spec_script_run(const char *path, enum weir_tier tier, spec_script_result *result, void *ctx)
{
    json_error_t err;
    json_t *root = json_load_file(path, JSON_ALLOW_NUL, &err);
    if (root == NULL) {
        fprintf(stderr, "%s: %s\n", path, err.text);
        return false;
    }
    struct script *s = calloc(1, sizeof *s);
    s->tier = tier;
    s->linker = weir_linker_new();
    add_spectest(s);
    size_t i;
    json_t *cmd;
    json_array_foreach(json_object_get(root, "commands"), i, cmd)
    {
        s->reason[0] = s->lacks[0] = '\0';
        bool ok = run_command(s, cmd);
        result(ctx, (unsigned)i, ok, text(cmd, "type"), s->reason, s->lacks);
    }
    while (s->ninsts > 0) {
        weir_instance_free(s->insts[--s->ninsts].thing);
    }
    while (s->ndefs > 0) {
        weir_module_unref(s->defs[--s->ndefs].thing);
    }
    weir_linker_free(s->linker);
    free(s);
    json_decref(root);
    return true;
}
