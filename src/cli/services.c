/* cli/services.c - `weir services`: services of a running gateway, and how their endpoints fare in all
 * workers. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "cli/admin_client.h"
#include "cli/cli.h"

static const char *state = ".weir";
static bool json;

static const struct cli_option options[] = {
    ADMIN_CLIENT_STATE_OPTION(&state),
    ADMIN_CLIENT_JSON_OPTION(&json),
};

static const struct cli_exit_code exits[] = {
    {CLI_EXIT_OK, "all endpoints get requests"},
    {EXIT_PARTLY, "some are left alone, or there are none, or a worker does not answer"},
    {EXIT_NO_GATEWAY, "no gateway answers there"},
};

static const struct cli_usage usage = {
    .synopsis = "services",
    .about = "Print each service's endpoints as its workers see them, added up:\n"
             "  healthy    it gets requests\n"
             "  slow       it came back a moment ago and gets its share little by little\n"
             "  ejected    requests failed: it is left alone for a while\n"
             "  unhealthy  its checks say so\n"
             "  mixed      workers see it differently; --json has what each says\n"
             "  unknown    a name that no address is known of\n",
    .options = options,
    .noptions = CLI_COUNT(options),
    .exits = exits,
    .nexits = CLI_COUNT(exits),
};

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text == NULL ? "" : text;
}

static long long number_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* "check: it takes too long (503), 12:30:01" */
static void add_failure(struct strbuf *out, const json_t *failure)
{
    char when[32] = "";
    struct tm tm;
    time_t t = (time_t)(number_of(failure, "ms") / 1000);

    if (json_is_object(failure)) {
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
        strbuf_printf(out, "%s %s%s", when, json_is_true(json_object_get(failure, "check")) ? "check: " : "",
                      text_of(failure, "reason"));
        if (number_of(failure, "status") != 0) {
            strbuf_printf(out, " (%lld)", number_of(failure, "status"));
        }
    }
}

static bool is_used(const json_t *endpoint)
{
    return strcmp(text_of(endpoint, "state"), "healthy") == 0 ||
           strcmp(text_of(endpoint, "state"), "slow") == 0;
}

static bool is_known(const json_t *name)
{
    return json_array_size(json_object_get(name, "addresses")) != 0;
}

static void print_service(const json_t *service)
{
    size_t i;
    json_t *e;

    json_array_foreach(json_object_get(service, "endpoints"), i, e)
    {
        struct strbuf failure = {0};
        add_failure(&failure, json_object_get(e, "failure"));
        printf("%-24s %-24s %-10s %6lld %7lld %9lld %7lld  %s\n", text_of(service, "name"),
               text_of(e, "address"), text_of(e, "state"), number_of(e, "weight"), number_of(e, "active"),
               number_of(e, "requests"), number_of(e, "failed"), failure.len == 0 ? "" : failure.at);
        strbuf_fini(&failure);
    }
    json_array_foreach(json_object_get(service, "names"), i, e)
    {
        if (!is_known(e)) {
            printf("%-24s %-24s %-10s\n", text_of(service, "name"), text_of(e, "name"), "unknown");
        }
    }
}

/* How much of it gets no requests. */
static unsigned count_bad(const json_t *service)
{
    unsigned bad = json_array_size(json_object_get(service, "endpoints")) == 0;
    size_t i;
    json_t *e;

    json_array_foreach(json_object_get(service, "endpoints"), i, e)
    {
        bad += !is_used(e);
    }
    json_array_foreach(json_object_get(service, "names"), i, e)
    {
        bad += !is_known(e);
    }
    return bad;
}

static int run(int argc, char **argv)
{
    json_t *answer = NULL, *service;
    unsigned bad = 0;
    size_t i;
    int code = cli_parse(&usage, argc, argv, NULL);

    if (code == CLI_GO_ON) {
        code = admin_client_get(state, "/v1/endpoints", &answer);
    }
    if (code != CLI_GO_ON) {
        return code;
    }
    if (json) {
        admin_client_print_json(answer);
    } else {
        printf("%-24s %-24s %-10s %6s %7s %9s %7s  %s\n", "SERVICE", "ENDPOINT", "STATE", "WEIGHT", "ACTIVE",
               "REQUESTS", "FAILED", "LAST FAILURE");
    }
    json_array_foreach(json_object_get(answer, "items"), i, service)
    {
        bad += count_bad(service);
        if (!json) {
            print_service(service);
        }
    }
    json_array_foreach(json_object_get(answer, "silent"), i, service)
    {
        fprintf(stderr, "weir: worker %lld does not answer; what it knows is missing\n",
                (long long)json_integer_value(service));
        bad++;
    }
    json_decref(answer);
    return bad == 0 ? CLI_EXIT_OK : EXIT_PARTLY;
}

const struct cli_verb cli_verb_services = {"services",
                                           "the services of a running gateway, and their endpoints", run};
