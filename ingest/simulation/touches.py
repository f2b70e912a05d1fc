"""Simulated touches and what comes of them: bookings after a delay, exits, replies.

Belongs here: the hazard per touch and the course of each lead. Not here: who the leads are (leads.py), how it
is written down (tables.py).

A touch at risk books with probability 1 - exp(-c e^merit g), g the product of its relative hazards (number,
hour, channel, call to action), c set so that the planted base rate comes out. The booking follows after a
log-normal delay, during which further touches go out: the last touch before a booking is often not the one
that made it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.simulation.leads import FloatArray, IntArray, Leads
from ingest.simulation.office_time import DAY, HOUR, to_office_hours, to_waking_hours
from ingest.simulation.spec import TOUCHES_MAXIMUM, TenantSpec
from ingest.simulation.vocabulary import (
    CHANNEL_SHARES,
    CHANNEL_SHARES_BY_TIER,
    CHANNELS,
    CTAS,
    PAIN_POINTS,
    PERSONALIZATION_LEVELS,
    SUBJECTS,
    TOUCHES_BY_TIER,
    WORD_COUNTS,
)

#: A time that never comes.
NEVER = np.iinfo(np.int64).max // 2
#: How a lead can end without a booking, in the order of Course.exit_kind.
EXIT_KINDS = ("unsubscribed", "bounced", "not_interested", "dead")

# Days to the next touch, least and most, by touch number.
_GAPS = ((2, 4), (2, 5), (3, 6), (3, 7), (4, 8), (5, 9), (5, 10))
_DEAD_AFTER_DAYS = 21
_REPLY_BEFORE_BOOKING = 0.6
_REPLY_OTHERWISE = 0.03


@dataclass(frozen=True, eq=False)
class Touches:
    """m touches in order of lead and time: lead (row of Leads), number (0 = first), time, channel, content code."""

    lead: IntArray
    number: IntArray
    time: IntArray
    channel: IntArray
    content: IntArray


@dataclass(frozen=True, eq=False)
class Course:
    """Per lead (n,): booking and exit times (NEVER), kind of exit, reply time (NEVER), chance to book in the window."""

    booked: IntArray
    exited: IntArray
    exit_kind: IntArray
    replied: IntArray
    chance: FloatArray


@dataclass(frozen=True, eq=False)
class _Plan:
    """Everything about touches that does not depend on how a lead reacts, (n, k)."""

    time: IntArray
    channel: IntArray
    content: IntArray
    hazard: FloatArray
    planned: NDArray[np.bool_]


def run_touches(spec: TenantSpec, leads: Leads, *, until: int, random: np.random.Generator) -> tuple[Touches, Course]:
    """Contact the leads; nothing after ``until`` (seconds of local time) is returned."""
    plan = _plan(spec, leads, random)
    propensity = np.exp(leads.merit - leads.merit.mean())
    scale, chance = _scale(spec, leads, plan, propensity)
    sent, booked, exited, kind = _react(spec, plan, scale * propensity, until, random)
    booked, exited, kind = _settle(spec, plan, sent, booked, exited, kind, random)
    replied = _replies(plan, sent, booked, random)
    lead, number = np.nonzero(sent)
    touches = Touches(lead, number, plan.time[sent], plan.channel[sent], plan.content[sent])
    booked, exited, replied = (np.where(times <= until, times, NEVER) for times in (booked, exited, replied))
    return touches, Course(booked, exited, kind, replied, chance)


def _plan(spec: TenantSpec, leads: Leads, random: np.random.Generator) -> _Plan:
    n = len(leads)
    time = np.empty((n, TOUCHES_MAXIMUM), dtype=np.int64)
    time[:, 0] = leads.first_touch
    for gap, (least, most) in enumerate(_GAPS):
        later = time[:, gap] + random.integers(least, most + 1, n) * DAY
        time[:, gap + 1] = to_office_hours(later, random)
    if spec.effort_by_tier:
        planned = np.array(TOUCHES_BY_TIER)[leads.tier]
        shares = np.array(CHANNEL_SHARES_BY_TIER)[leads.tier]
    else:
        planned = random.integers(4, TOUCHES_MAXIMUM + 1, n)
        shares = np.broadcast_to(np.array(CHANNEL_SHARES), (n, len(CHANNELS)))
    channel = (random.random(time.shape)[:, :, None] > np.cumsum(shares, axis=1)[:, None, :-1]).sum(axis=2)
    content, cta = _draw_content(channel, random)
    effects = spec.effects
    by_hour = np.array([effects.hours.get(hour, 1.0) for hour in range(24)])
    by_channel = np.array([effects.channels.get(name, 1.0) for name, _ in CHANNELS])
    by_cta = np.array([effects.ctas.get(name, 1.0) for name in CTAS])
    hazard = np.asarray(effects.touches) * by_hour[time // HOUR % 24] * by_channel[channel] * by_cta[cta]
    number = np.arange(TOUCHES_MAXIMUM)
    return _Plan(time, channel, content, hazard, (number < planned[:, None]) & leads.contacted[:, None])


def _draw_content(channel: IntArray, random: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Content codes (mixed radix over the vocabulary) and calls to action; only e-mails have a subject."""
    subject = np.where(channel == 0, random.integers(1, len(SUBJECTS), channel.shape), 0)
    code = subject
    cta = random.integers(0, len(CTAS), channel.shape)
    parts = (
        (PAIN_POINTS, random.integers(0, len(PAIN_POINTS), channel.shape)),
        (CTAS, cta),
        (WORD_COUNTS, random.integers(0, len(WORD_COUNTS), channel.shape)),
        (PERSONALIZATION_LEVELS, random.integers(0, len(PERSONALIZATION_LEVELS), channel.shape)),
    )
    for words, part in parts:
        code = code * len(words) + part
    return code, cta


def _leave_chances(spec: TenantSpec) -> FloatArray:
    return np.array([spec.exits.unsubscribed, spec.exits.bounced, spec.exits.not_interested])


def _scale(spec: TenantSpec, leads: Leads, plan: _Plan, propensity: FloatArray) -> tuple[float, FloatArray]:
    """The constant c at which contacted leads book at the base rate, and each lead's chance to.

    Exits are accounted for on average: a lead must not have left before the touch, nor because of it, nor because of
    the one or so that goes out while its booking is on the way.
    """
    staying = (1.0 - _leave_chances(spec).sum()) ** (np.arange(TOUCHES_MAXIMUM) + 2)
    exposure = propensity * (plan.hazard * plan.planned * staying).sum(axis=1)
    exposure = exposure[leads.contacted]
    low, high = -30.0, 10.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        too_high = len(exposure) > 0 and (-np.expm1(-np.exp(middle) * exposure)).mean() > spec.base_rate
        low, high = (low, middle) if too_high else (middle, high)
    scale = float(np.exp(low))
    chance = np.zeros(len(leads))
    chance[leads.contacted] = -np.expm1(-scale * exposure)
    return scale, chance


def _react(
    spec: TenantSpec, plan: _Plan, propensity: FloatArray, until: int, random: np.random.Generator
) -> tuple[NDArray[np.bool_], IntArray, IntArray, IntArray]:
    """Touch by touch: which are sent (n, k), and when leads book and leave."""
    n = len(propensity)
    sent = np.zeros(plan.time.shape, dtype=np.bool_)
    booked = np.full(n, NEVER)
    exited = np.full(n, NEVER)
    kind = np.zeros(n, dtype=np.int64)
    limits = np.cumsum(_leave_chances(spec))
    for number in range(TOUCHES_MAXIMUM):
        time = plan.time[:, number]
        rows = np.flatnonzero(plan.planned[:, number] & (time <= until) & (time < np.minimum(booked, exited)))
        sent[rows, number] = True
        deciding = random.random(len(rows)) < -np.expm1(-propensity[rows] * plan.hazard[rows, number])
        won = rows[deciding]
        delay = np.exp(random.normal(np.log(spec.delay_days), spec.delay_spread, len(won))) * DAY
        answered = to_waking_hours(time[won] + 60 + delay.astype(np.int64))
        booked[won] = np.minimum(booked[won], answered)
        leaving = np.searchsorted(limits, random.random(len(rows)), side="right")
        gone = rows[leaving < len(limits)]
        kind[gone] = leaving[leaving < len(limits)]
        exited[gone] = to_waking_hours(time[gone] + 60 + random.exponential(10 * HOUR, len(gone)).astype(np.int64))
    return sent, booked, exited, kind


def _settle(
    spec: TenantSpec,
    plan: _Plan,
    sent: NDArray[np.bool_],
    booked: IntArray,
    exited: IntArray,
    kind: IntArray,
    random: np.random.Generator,
) -> tuple[IntArray, IntArray, IntArray]:
    """Whichever comes first counts; leads whose touches ran out may be marked dead."""
    booked = np.where(exited < booked, NEVER, booked)
    exited = np.where(booked < exited, NEVER, exited)
    last = np.where(sent, plan.time, 0).max(axis=1)
    finished = (sent.sum(axis=1) == plan.planned.sum(axis=1)) & (last > 0)
    silent = finished & (booked == NEVER) & (exited == NEVER)
    dead = silent & (random.random(len(booked)) < spec.exits.dead)
    kind = np.where(dead, EXIT_KINDS.index("dead"), kind)
    marked = last + (_DEAD_AFTER_DAYS + random.integers(0, 21, len(booked))) * DAY
    return booked, np.where(dead, marked, exited), kind


def _replies(plan: _Plan, sent: NDArray[np.bool_], booked: IntArray, random: np.random.Generator) -> IntArray:
    last = np.where(sent, plan.time, 0).max(axis=1)
    books = (booked < NEVER) & (last > 0)
    share = random.random(len(booked))
    before = to_waking_hours(np.where(books, last + ((booked - last) * share).astype(np.int64), 0))
    after = to_waking_hours(last + (random.exponential(20 * HOUR, len(booked))).astype(np.int64) + 60)
    answers = random.random(len(booked))
    replied = np.where(books & (answers < _REPLY_BEFORE_BOOKING) & (before < booked), before, NEVER)
    return np.where(~books & (last > 0) & (answers < _REPLY_OTHERWISE), after, replied)
