/* gw/fields_gateway.c - fields about the gateway as a whole: who its clients are, and what it logs.
 *
 * Parts of gw/fields.c's tables, with the checks that go with them.  They are given once in all documents
 * together (gw/singles.h). */
#include "gw/client_address.h"
#include "gw/values.h"

#define AT(type, member) offsetof(struct type, member)
#define FIELDS(table) .fields = table, .nfields = sizeof table / sizeof table[0]

const struct gw_choice gw_log_levels[] = {{"trace", GW_LOG_TRACE},
                                          {"debug", GW_LOG_DEBUG},
                                          {"info", GW_LOG_INFO},
                                          {"warn", GW_LOG_WARN},
                                          {"error", GW_LOG_ERROR},
                                          {"critical", GW_LOG_CRITICAL},
                                          {NULL, 0}};

static const struct gw_field client_address_fields[] = {
    {.name = "trusted",
     .kind = GW_F_STRINGS,
     .required = true,
     .filled = true,
     .offset = AT(gw_client_address, trusted),
     .count = AT(gw_client_address, ntrusted),
     .doc = "Addresses and networks of the proxies: `10.0.0.0/8`, `192.0.2.7`, `2001:db8::/32`."},
    {.name = "header",
     .kind = GW_F_STRING,
     .offset = AT(gw_client_address, header),
     .check = gw_check_header_name,
     .fallback = "X-Forwarded-For",
     .doc = "Where they write whom they were asked by."},
};

static void check_client_address(struct gw_reader *r, const struct gw_node *node, const struct gw_path *path,
                                 void *object)
{
    struct gw_client_address *c = object;
    struct gw_path trusted = {path, "trusted", 0};

    c->networks = ARENA_ARRAY(r->arena, struct gw_network, c->ntrusted);
    for (uint32_t i = 0; i < c->ntrusted; i++) {
        struct gw_path at = {&trusted, NULL, i};
        if (c->trusted[i].at != NULL && !gw_network_parse(c->trusted[i], &c->networks[i])) {
            gw_problem_at(r, node, &at, "must be an address or a network, like 10.0.0.0/8 or 2001:db8::/32");
        }
    }
}

const struct gw_type gw_type_client_address = {
    .name = "clientAddress",
    .about = "Whom requests come from if proxies stand in front of the gateway.",
    .size = sizeof(struct gw_client_address),
    FIELDS(client_address_fields),
    .check = check_client_address};
