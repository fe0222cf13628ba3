/* cli/push.c - `weir push`: a module into a registry. */
#include <stdio.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/secret.h"
#include "fetch/fetch.h"
#include "weir/engine.h"

static const char *secret_path;

static const struct cli_option options[] = {
    CLI_SECRET_OPTION(&secret_path),
};

static const struct cli_exit_code exits[] = {
    {CLI_EXIT_OK, "the registry has it; its digest is on standard output"},
    {CLI_EXIT_FAILED, "it does not"},
};

static const struct cli_usage usage = {
    .synopsis = "push MODULE oci://HOST/REPOSITORY:TAG",
    .about = "Publish a module as an OCI artifact that Weir, Istio and Higress can pull.  It is decoded and\n"
             "validated first.  See `weir pull --help` for how registries are reached.\n"
             "Prints oci://HOST/REPOSITORY@sha256:DIGEST, which names this version for good.\n",
    .options = options,
    .noptions = CLI_COUNT(options),
    .min_operands = 2,
    .max_operands = 2,
    .exits = exits,
    .nexits = CLI_COUNT(exits),
};

static int push(const char *path, struct str url, struct str secret)
{
    struct weir_report rep;
    struct weir_module *m;
    struct fetch_source s;
    char digest[FETCH_DIGEST_LEN + 1], text[700];
    size_t len;
    int code = CLI_EXIT_OK;
    char *bytes = cli_read_file(path, FETCH_MODULE_BYTES_MAX, &len);

    if (bytes == NULL) {
        return CLI_EXIT_FAILED;
    }
    weir_report_init(&rep);
    if (weir_module_new((const uint8_t *)bytes, len, WEIR_FEATURES_ALL, &m, &rep) != WEIR_OK) {
        weir_report_format(&rep, text, sizeof text);
        code = cli_fail("%s: %s", path, text);
    } else {
        weir_module_unref(m);
        if (fetch_push(url, str_make(bytes, len), secret, digest, &rep) != WEIR_OK) {
            code = cli_fail("%s", rep.message);
        } else if (fetch_source_parse(url, &s, &rep) == WEIR_OK) {
            printf("oci://%.*s/%.*s@%s\n", STR_ARG(s.host), STR_ARG(s.repository), digest);
        }
    }
    mem_free(bytes);
    return code;
}

static int run(int argc, char **argv)
{
    struct cli_operands operands;
    struct strbuf secret = {0}, url = {0};
    int code = cli_parse(&usage, argc, argv, &operands);

    if (code != CLI_GO_ON) {
        return code;
    }
    if (!cli_read_secret(secret_path, &secret)) {
        strbuf_fini(&secret);
        return CLI_EXIT_FAILED;
    }
    /* oci:HOST/..., and no scheme at all, mean the same. */
    struct str given = str_of(operands.at[1]);
    if (str_starts_with(given, STR("oci:")) && !str_starts_with(given, STR("oci://"))) {
        given = str_slice(given, 4, given.len);
    }
    bool whole = str_starts_with(given, STR("oci://")) || str_starts_with(given, STR("http"));
    strbuf_printf(&url, "%s%.*s", whole ? "" : "oci://", STR_ARG(given));
    code = push(operands.at[0], strbuf_str(&url), strbuf_str(&secret));
    strbuf_fini(&secret);
    strbuf_fini(&url);
    return code;
}

const struct cli_verb cli_verb_push = {"push", "publish a module in a registry", run};
