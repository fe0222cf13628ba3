/* pw/outcome.c - what became of the steps of a stream, for access logs.
 *
 * A step keeps why it failed (stream.h); everything else follows from what the stream is at its end. */
#include "base/ticks.h"
#include "pw/plugin.h"
#include "pw/stream.h"

static const char *const names[] = {
    [PW_OUTCOME_NONE] = "none",         [PW_OUTCOME_OK] = "ok",           [PW_OUTCOME_PAUSED] = "paused",
    [PW_OUTCOME_ANSWERED] = "answered", [PW_OUTCOME_CLOSED] = "closed",   [PW_OUTCOME_TRAPPED] = "trapped",
    [PW_OUTCOME_DEADLINE] = "deadline", [PW_OUTCOME_VM_DIED] = "vm_died", [PW_OUTCOME_HEALING] = "healing",
    [PW_OUTCOME_STOPPED] = "stopped",   [PW_OUTCOME_REFUSED] = "refused",
};

const char *pw_outcome_name(enum pw_outcome outcome)
{
    return names[outcome];
}

enum pw_outcome pw_step_failure(const struct pw_stream_step *st)
{
    if (st->vm == NULL) {
        return pw_plugin_state(st->plugin) == PW_PLUGIN_HEALING ? PW_OUTCOME_HEALING : PW_OUTCOME_STOPPED;
    }
    if (!st->vm->dead) {
        return PW_OUTCOME_REFUSED;
    }
    if (st->ctx.id == 0 || st->vm->died_in != st->ctx.id) {
        return PW_OUTCOME_VM_DIED;
    }
    return st->vm->died_late ? PW_OUTCOME_DEADLINE : PW_OUTCOME_TRAPPED;
}

static enum pw_outcome outcome_of(const struct pw_stream *s, uint32_t i)
{
    const struct pw_stream_step *st = &s->steps[i];

    if (st->failure != PW_OUTCOME_NONE) {
        return st->failure;
    }
    if (s->local_step == (int32_t)i) {
        return s->local_taken ? PW_OUTCOME_ANSWERED : PW_OUTCOME_CLOSED;
    }
    if (!st->called) {
        return PW_OUTCOME_NONE;
    }
    bool holds = pw_side_holds(&st->side[PW_REQUEST]) || pw_side_holds(&st->side[PW_RESPONSE]);
    return holds ? PW_OUTCOME_PAUSED : PW_OUTCOME_OK;
}

struct pw_step_report pw_stream_step_report(const struct pw_stream *s, size_t step)
{
    WEIR_ASSERT(step < s->nsteps);
    struct pw_step_report r = {.outcome = outcome_of(s, (uint32_t)step),
                               .ns = ticks_to_ns(s->steps[step].spent_ticks),
                               .details = {"", 0}};
    if (r.outcome == PW_OUTCOME_ANSWERED) {
        r.details = s->local.details;
    }
    return r;
}
