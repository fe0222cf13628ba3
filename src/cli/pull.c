/* cli/pull.c - `weir pull`: a module from where its URL says, into a file.
 *
 * The control process runs it as a confined child for each module it fetches (control/fetcher.h): the secret
 * on standard input, the module on standard output, its version or what went wrong on standard error. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "cli/cli.h"
#include "cli/secret.h"
#include "control/fetcher.h"
#include "fetch/fetch.h"

static const char *output, *secret_path, *sha256, *known;

static const struct cli_option options[] = {
    {.name = "output",
     .letter = 'o',
     .kind = CLI_TEXT,
     .value = &output,
     .arg = "FILE",
     .required = true,
     .help = "where the module goes; - is standard output"},
    CLI_SECRET_OPTION(&secret_path),
    {.name = "sha256",
     .kind = CLI_TEXT,
     .value = &sha256,
     .arg = "HEX",
     .help = "what the module, or the image's manifest, must hash to"},
    {.name = "known",
     .kind = CLI_TEXT,
     .value = &known,
     .arg = "VERSION",
     .help = "a version that is there: nothing is fetched if it is this one"},
};

static const struct cli_exit_code exits[] = {
    {CLI_EXIT_OK, "FILE has the module"},
    {CLI_EXIT_FAILED, "it cannot be had; FILE is not touched"},
    {FETCHER_EXIT_UNCHANGED, "it is the known version; FILE is not touched"},
};

static const struct cli_usage usage = {
    .synopsis = "pull URL -o FILE",
    .about =
        "Fetch a module from http://, https:// or oci://HOST/REPOSITORY[:TAG][@sha256:DIGEST] and check it.\n"
        "Registries are spoken to by https, by http if they are on this machine without TLS, or if the\n"
        "environment's WASM_INSECURE_REGISTRIES (HOST[:PORT],...) names them.  SSL_CERT_FILE names other\n"
        "authorities than the system's; https_proxy and no_proxy name proxies.\n",
    .options = options,
    .noptions = CLI_COUNT(options),
    .min_operands = 1,
    .max_operands = 1,
    .exits = exits,
    .nexits = CLI_COUNT(exits),
};

/* To a file that appears whole, or to standard output. */
static bool write_module(struct str bytes)
{
    struct strbuf temp = {0};
    bool standard = strcmp(output, "-") == 0;

    strbuf_printf(&temp, "%s.%d", output, (int)getpid());
    FILE *f = standard ? stdout : fopen(temp.at, "wbe");
    bool ok = f != NULL && fwrite(bytes.at, 1, bytes.len, f) == bytes.len && fflush(f) == 0;
    if (!standard && f != NULL) {
        ok = fclose(f) == 0 && ok && rename(temp.at, output) == 0;
    }
    if (!ok) {
        cli_fail("%s: %s", output, strerror(errno));
        unlink(temp.at);
    }
    strbuf_fini(&temp);
    return ok;
}

static int run(int argc, char **argv)
{
    struct cli_operands operands;
    struct strbuf secret = {0};
    struct fetch_result got = {.unchanged = false};
    struct weir_report rep;
    int code = cli_parse(&usage, argc, argv, &operands);

    if (code != CLI_GO_ON) {
        return code;
    }
    if (!cli_read_secret(secret_path, &secret)) {
        strbuf_fini(&secret);
        return CLI_EXIT_FAILED;
    }
    struct fetch_options opt = {strbuf_str(&secret), str_of(sha256), str_of(known)};
    weir_report_init(&rep);
    if (fetch_module(str_of(operands.at[0]), &opt, &got, &rep) != WEIR_OK) {
        code = cli_fail("%s", rep.message);
    } else if (got.unchanged) {
        code = FETCHER_EXIT_UNCHANGED;
    } else {
        code = write_module(strbuf_str(&got.module)) ? CLI_EXIT_OK : CLI_EXIT_FAILED;
    }
    if (code == CLI_EXIT_OK) {
        fprintf(stderr, FETCHER_VERSION "%s\n", got.version);
    }
    strbuf_fini(&got.module);
    strbuf_fini(&secret);
    return code;
}

const struct cli_verb cli_verb_pull = {"pull", "fetch a module from a registry or server", run};
