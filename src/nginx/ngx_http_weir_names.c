/*
 * ngx_http_weir_names.c - hosts of endpoints, resolved by nginx's resolver again and again (ADR 0059).
 *
 * A name asks when its first use comes, then whenever the answer's time is over. A failure keeps the last
 * answer and is tried again, after one second at first, at most after 30. Names live as long as they are used, so a
 * change of the configuration asks nothing that is known.
 */

#include "ngx_http_weir_module.h"
#include "ngx_http_weir_dns.h"


#define MIN_TTL_S    1
#define MAX_TTL_S    3600
#define MAX_RETRY_S  30


typedef struct {
    struct sockaddr_storage  sockaddr;
    socklen_t                socklen;
} address_t;


struct ngx_http_weir_name_s {
    ngx_str_node_t           node;          /* must be first */
    ngx_uint_t               refs;
    ngx_queue_t              users;         /* of ngx_http_weir_use_t */
    address_t               *addresses;     /* sorted */
    ngx_uint_t               naddresses;
    ngx_event_t              again;
    void                    *lookup;        /* under way, or NULL */
    ngx_uint_t               failures;      /* in a row */
    unsigned                 answered:1;
};


static ngx_rbtree_t       names;
static ngx_rbtree_node_t  names_sentinel;


static void ask(ngx_http_weir_name_t *name);


void
ngx_http_weir_names_init(void)
{
    ngx_rbtree_init(&names, &names_sentinel, ngx_str_rbtree_insert_value);
}


static void
again_handler(ngx_event_t *ev)
{
    ask(ev->data);
}


ngx_http_weir_name_t *
ngx_http_weir_name_use(struct str host, ngx_http_weir_use_t *use)
{
    uint32_t               hash;
    ngx_str_t              key = ngx_http_weir_ngx_str(host);
    ngx_http_weir_name_t  *name;

    hash = ngx_crc32_long(key.data, key.len);
    name = (ngx_http_weir_name_t *) ngx_str_rbtree_lookup(&names, &key, hash);

    if (name == NULL) {

        name = ngx_calloc(sizeof(ngx_http_weir_name_t) + key.len, ngx_cycle->log);
        if (name == NULL) {
            return NULL;
        }

        name->node.str.data = (u_char *) (name + 1);
        name->node.str.len = key.len;
        name->node.node.key = hash;
        ngx_memcpy(name->node.str.data, key.data, key.len);

        ngx_queue_init(&name->users);
        name->again.handler = again_handler;
        name->again.data = name;
        name->again.log = ngx_cycle->log;
        name->again.cancelable = 1;
        ngx_rbtree_insert(&names, &name->node.node);

        ask(name);
    }

    name->refs++;
    ngx_queue_insert_tail(&name->users, &use->link);

    return name;
}


void
ngx_http_weir_name_leave(ngx_http_weir_use_t *use)
{
    ngx_http_weir_name_t  *name = use->name;

    use->name = NULL;
    ngx_queue_remove(&use->link);

    if (--name->refs != 0) {
        return;
    }

    if (name->lookup != NULL) {
        ngx_http_weir_lookup_cancel(name->lookup);
    }

    if (name->again.timer_set) {
        ngx_del_timer(&name->again);
    }

    ngx_rbtree_delete(&names, &name->node.node);
    mem_free(name->addresses);
    ngx_free(name);
}


ngx_uint_t
ngx_http_weir_name_count(const ngx_http_weir_name_t *name)
{
    return name->naddresses;
}


const struct sockaddr_storage *
ngx_http_weir_name_address(const ngx_http_weir_name_t *name, ngx_uint_t i, socklen_t *len)
{
    *len = name->addresses[i].socklen;

    return &name->addresses[i].sockaddr;
}


bool
ngx_http_weir_name_unknown(const ngx_http_weir_name_t *name)
{
    return !name->answered && name->failures == 0;
}


void
ngx_http_weir_name_json(struct strbuf *b, const ngx_http_weir_name_t *name)
{
    u_char      text[NGX_SOCKADDR_STRLEN];
    size_t      len;
    ngx_uint_t  i;

    strbuf_printf(b, "{\"name\":");
    strbuf_add_json(b, str_make(name->node.str.data, name->node.str.len));
    strbuf_printf(b, ",\"addresses\":[");

    for (i = 0; i < name->naddresses; i++) {
        len = ngx_sock_ntop((struct sockaddr *) &name->addresses[i].sockaddr, name->addresses[i].socklen, text,
                            sizeof(text), 0);
        strbuf_printf(b, "%s\"%.*s\"", i == 0 ? "" : ",", (int) len, text);
    }

    strbuf_printf(b, "],\"failures\":%zu}", (size_t) name->failures);
}


/* ---- answers ---- */

static int
compare(const void *a, const void *b)
{
    return ngx_memcmp(a, b, sizeof(address_t));
}


/* Nothing runs in here that could free a service: who waited goes on by posted events. */

static void
tell_users(ngx_http_weir_name_t *name, bool changed)
{
    ngx_queue_t          *q;
    ngx_http_weir_use_t  *use;

    for (q = ngx_queue_head(&name->users); q != ngx_queue_sentinel(&name->users); q = ngx_queue_next(q)) {
        use = ngx_queue_data(q, ngx_http_weir_use_t, link);
        ngx_http_weir_service_renew(use->service, changed);
    }
}


static void
failed(ngx_http_weir_name_t *name)
{
    ngx_uint_t  wait_s;

    wait_s = name->failures < 5 ? (ngx_uint_t) 1 << name->failures : MAX_RETRY_S;
    name->failures++;

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0, "[weir] \"%V\" of a service does not resolve; %s, asked again in %ui s",
                  &name->node.str, name->answered ? "its last addresses stay" : "it has no addresses", wait_s);

    ngx_add_timer(&name->again, wait_s * 1000);

    if (name->failures == 1) {
        tell_users(name, false);
    }
}


static void
answered(void *data, const ngx_http_weir_dns_address_t *at, size_t n)
{
    bool                   changed;
    size_t                 i;
    uint32_t               ttl_s = MAX_TTL_S;
    ngx_addr_t             addr;
    address_t             *addresses;
    ngx_uint_t             naddresses;
    ngx_http_weir_name_t  *name = data;

    name->lookup = NULL;
    addresses = mem_zalloc((n + 1) * sizeof(address_t));

    for (i = 0, naddresses = 0; i < n; i++) {

        if (ngx_parse_addr(ngx_cycle->pool, &addr, (u_char *) at[i].text, ngx_strlen(at[i].text)) != NGX_OK) {
            continue;
        }

        ngx_memcpy(&addresses[naddresses].sockaddr, addr.sockaddr, addr.socklen);
        addresses[naddresses].socklen = addr.socklen;
        ngx_pfree(ngx_cycle->pool, addr.sockaddr);
        naddresses++;
        ttl_s = ngx_min(ttl_s, at[i].ttl_s);
    }

    if (naddresses == 0) {
        mem_free(addresses);
        failed(name);
        return;
    }

    qsort(addresses, naddresses, sizeof(address_t), compare);

    changed = naddresses != name->naddresses
              || ngx_memcmp(addresses, name->addresses, naddresses * sizeof(address_t)) != 0;

    mem_free(name->addresses);
    name->addresses = addresses;
    name->naddresses = naddresses;
    name->answered = 1;
    name->failures = 0;

    /* The resolver keeps the answer until its time is over: ask just after that. */

    ngx_add_timer(&name->again, (ngx_max(ttl_s, MIN_TTL_S) + 1) * 1000);

    tell_users(name, changed);
}


static void
ask(ngx_http_weir_name_t *name)
{
    name->lookup = ngx_http_weir_lookup(str_make(name->node.str.data, name->node.str.len), answered, name);
}
