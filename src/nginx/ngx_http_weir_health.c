/*
 * ngx_http_weir_health.c - what a worker knows of a peer: whether it is usable, and how much of its weight counts.
 *
 * Out of two reasons a peer is not usable: requests failed, so it is ejected for a time that doubles from one
 * ejection to the next; or its check says so. When it comes back, it starts slowly if the service says so. A good
 * answer ends an ejection early: in a panic, ejected peers are asked, too.
 */

#include "ngx_http_weir_module.h"


void
ngx_http_weir_peer_begin_slowly(ngx_http_weir_peer_t *peer)
{
    peer->slow = peer->group->slow_start != 0;
    peer->slow_since = ngx_current_msec;
}


static void
come_back(ngx_http_weir_peer_t *peer)
{
    peer->ejected = 0;
    peer->failures = 0;
    peer->errors = 0;
    ngx_http_weir_peer_begin_slowly(peer);
}


bool
ngx_http_weir_peer_usable(ngx_http_weir_peer_t *peer)
{
    if (peer->ejected && (ngx_msec_int_t) (ngx_current_msec - peer->ejected_until) >= 0) {
        come_back(peer);
    }

    return !peer->ejected && !peer->unhealthy;
}


ngx_uint_t
ngx_http_weir_peer_share(ngx_http_weir_peer_t *peer)
{
    ngx_msec_t  gone, all = peer->group->slow_start;

    if (!peer->slow) {
        return 100;
    }

    gone = ngx_current_msec - peer->slow_since;

    if (gone >= all) {
        peer->slow = 0;
        return 100;
    }

    return 10 + 90 * gone / all;
}


/* May one more be ejected, by the share that the service allows? */

static bool
may_eject(ngx_http_weir_peer_t *peer)
{
    ngx_uint_t                i, ejected, most = peer->group->passive.max_ejected;
    ngx_http_weir_service_t  *s = peer->group->current;

    if (s == NULL || most == 100) {
        return most != 0;
    }

    for (i = 0, ejected = 0; i < s->npeers; i++) {
        (void) ngx_http_weir_peer_usable(s->peers[i]);
        ejected += s->peers[i]->ejected;
    }

    return most != 0 && (ejected == 0 || (ejected + 1) * 100 <= most * s->npeers);
}


static void
eject(ngx_http_weir_peer_t *peer, const char *why)
{
    uint64_t                  time;
    const struct gw_passive  *conf = &peer->group->passive;

    if (peer->ejected || !may_eject(peer)) {
        return;
    }

    time = (uint64_t) conf->eject_ms << ngx_min(peer->ejections, 20);
    time = ngx_min(time, ngx_max(conf->max_eject_ms, conf->eject_ms));

    peer->ejected = 1;
    peer->ejected_until = ngx_current_msec + (ngx_msec_t) time;
    peer->ejections++;

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0, "[weir] service %V: endpoint %V is left alone for %uL ms: %s",
                  &peer->group->node.str, &peer->name, time, why);
}


static void
note(ngx_http_weir_peer_t *peer, const char *why, ngx_uint_t status, bool check)
{
    ngx_time_t  *tp = ngx_timeofday();

    peer->failure = why;
    peer->failure_ms = (uint64_t) tp->sec * 1000 + tp->msec;
    peer->failure_status = status;
    peer->failure_check = check;
}


void
ngx_http_weir_peer_check_failed(ngx_http_weir_peer_t *peer, const char *why, ngx_uint_t status)
{
    note(peer, why, status, true);
}


void
ngx_http_weir_peer_failed(ngx_http_weir_peer_t *peer, const char *why)
{
    note(peer, why, 0, false);
    peer->failed++;
    peer->failures++;

    if (peer->group->passive.failures != 0 && peer->failures >= peer->group->passive.failures) {
        eject(peer, "it does not answer");
    }
}


void
ngx_http_weir_peer_answered(ngx_http_weir_peer_t *peer, ngx_uint_t status)
{
    peer->failures = 0;

    if (status >= 500) {
        note(peer, "it answered with a server error", status, false);
        peer->failed++;
        peer->errors++;

        if (peer->group->passive.server_errors != 0 && peer->errors >= peer->group->passive.server_errors) {
            eject(peer, "it answers with server errors");
        }

        return;
    }

    peer->errors = 0;
    peer->ejections = 0;

    if (peer->ejected) {
        come_back(peer);
    }
}


const char *
ngx_http_weir_peer_state(ngx_http_weir_peer_t *peer)
{
    if (ngx_http_weir_peer_usable(peer)) {
        return ngx_http_weir_peer_share(peer) < 100 ? "slow" : "healthy";
    }

    return peer->unhealthy ? "unhealthy" : "ejected";
}
