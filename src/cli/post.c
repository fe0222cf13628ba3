/* cli/post.c - `weir post`: one alert to a webhook.
 *
 * The control process runs it as a confined child (control/alerts.h).  Standard input is two lines, the URL
 * and a token or nothing, then the body: neither is to be seen in a list of processes.  What went wrong is
 * one line on standard error, without the URL, which may be a secret. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/secret.h"
#include "control/alerts.h"
#include "fetch/http.h"

enum { ANSWER_BYTES_MAX = 64 << 10, TOO_MANY_REQUESTS = 429, REQUEST_TIMEOUT = 408 };

static const struct cli_exit_code exits[] = {
    {CLI_EXIT_OK, "the answer's status was 2xx"},
    {CLI_EXIT_FAILED, "there was no answer, or one that another try may change (5xx, 408, 429)"},
    {ALERTS_EXIT_REFUSED, "the answer had another status"},
};

static const struct cli_usage usage = {
    .synopsis = "post",
    .about = "Post JSON to a webhook: standard input is a line with the URL, a line with a token (sent as\n"
             "Authorization: Bearer) or nothing, and the body.  The gateway sends alerts by it.\n",
    .exits = exits,
    .nexits = CLI_COUNT(exits),
};

static char *text_of(struct str s)
{
    return mem_strndup(s.len == 0 ? "" : s.at, s.len);
}

/* Why there was no answer, without the URL in front. */
static int fail_without_url(const char *message, const char *url)
{
    size_t n = strnlen(url, 120); /* as much of it as messages have */
    return strncmp(message, url, n) == 0 ? cli_fail("no answer%s", message + n) : cli_fail("%s", "no answer");
}

static int post(char *url, struct str token, struct str body)
{
    struct strbuf authorization = {0};
    struct fetch_http *http = fetch_http_new();
    struct fetch_answer answer;
    struct weir_report rep;
    int code = CLI_EXIT_OK;

    if (token.len != 0) {
        strbuf_printf(&authorization, "Bearer %.*s", STR_ARG(token));
    }
    struct fetch_request request = {
        .method = "POST",
        .url = url,
        .authorization = authorization.at,
        .content_type = "application/json",
        .body = body,
        .max_bytes = ANSWER_BYTES_MAX,
    };
    weir_report_init(&rep);
    if (fetch_http_exchange(http, &request, &answer, &rep) != WEIR_OK) {
        code = fail_without_url(rep.message, url);
    } else {
        unsigned s = answer.status;
        bool again = s >= 500 || s == TOO_MANY_REQUESTS || s == REQUEST_TIMEOUT;
        if (s / 100 != 2) {
            code = cli_fail("the answer's status was %u", s);
            code = again ? code : ALERTS_EXIT_REFUSED;
        }
        fetch_answer_fini(&answer);
    }
    fetch_http_free(http);
    strbuf_fini(&authorization);
    return code;
}

static int run(int argc, char **argv)
{
    struct strbuf in = {0};
    int code = cli_parse(&usage, argc, argv, NULL);

    if (code != CLI_GO_ON) {
        return code;
    }
    if (!cli_read_secret("-", &in)) {
        strbuf_fini(&in);
        return CLI_EXIT_FAILED;
    }
    struct str body = strbuf_str(&in), url = str_cut(&body, '\n'), token = str_cut(&body, '\n');
    char *where = text_of(url);
    code = post(where, token, body);
    mem_free(where);
    strbuf_fini(&in);
    return code;
}

const struct cli_verb cli_verb_post = {"post", "send an alert to a webhook, as the gateway does", run};
