"""Priors: each with its n and source, equal to what the public recordings say, and overruled by what was fitted."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest
from real_sessions import real_file, real_table
from scipy import stats

from realtime_lab.server import PROFILES, LogNormal, Profile
from realtime_lab.server.engine.priors import BY_MODEL, BY_RECOGNISER, SOURCES, paced, priors_table, reasons

PROFILE = PROFILES["documented"]
EVAL = {"gpt-realtime": "gpt-realtime 2026-03", "gpt-realtime-1.5": "gpt-realtime-1.5 2026-03"}
EVAL["gpt-realtime-2.1"] = "gpt-realtime-2.1 low 2026-08"
DRAWS = 4_000


def published(model, name):
    values = json.loads(real_file("aiewf_openai_latency_ms.json").read_text(encoding="utf-8"))
    return np.asarray([value for value in values[EVAL[model]][name] if value > 0], float)


def at(response):
    return {row["event"]: row["at_s"] for row in real_table("timed_2.1-mini.csv") if row["response"] == response}


def drawn(distribution):
    return np.asarray([distribution.draw(np.random.default_rng([5, n])) for n in range(DRAWS)])


@pytest.mark.parametrize("model", EVAL)
def test_leading_silence_is_the_published_one(model):
    prior, seen = BY_MODEL[model]["leading_silence"], published(model, "silence_pads")
    assert abs(prior.n - len(seen)) <= 2  # two of them are 0
    assert prior.value.median == pytest.approx(np.median(seen), rel=0.01)
    # The one of gpt-realtime-1.5 has two humps, which no such curve has.
    furthest = 0.17 if model == "gpt-realtime-1.5" else 0.09
    assert stats.ks_1samp(np.log(seen), _cdf(prior.value)).statistic < furthest


def test_the_first_audio_of_gpt_realtime_2_1_is_the_published_one():
    pace, seen = paced(PROFILE, "gpt-realtime-2.1", None), published("gpt-realtime-2.1", "ttfts")
    rng = np.random.default_rng(1)
    mine = drawn(pace.first_byte) + rng.permutation(drawn(pace.transcript_lead)) + rng.permutation(drawn(pace.create))
    assert BY_MODEL["gpt-realtime-2.1"]["first_byte"].n == len(seen) == 900
    assert np.median(mine) == pytest.approx(np.median(seen), rel=0.02)
    assert stats.ks_2samp(mine, seen).statistic < 0.05
    assert np.log(mine).std() == pytest.approx(np.log(seen).std(), abs=0.03)


def test_the_times_of_two_recorded_responses_are_the_priors_medians():
    greeting, idle = at("greeting"), at("idle")

    def ms(row, after, before):
        return 1000 * (float(row[after]) - float(row[before]))

    first = [ms(row, "first transcript delta", "response.created") for row in (greeting, idle)]
    lead = 1000 * (float(greeting["audio delta 1"]) - float(greeting["first transcript delta"]))
    assert BY_MODEL["gpt-realtime-2.1-mini"]["first_byte"].value.median == pytest.approx(np.mean(first), abs=2)
    assert PROFILE.transcript_lead.median == pytest.approx(lead, abs=2)
    trips = [ms(greeting, "session.updated", "session.update sent")]
    trips.append(ms(greeting, "conversation.item.added", "response.create sent"))
    assert PROFILE.event_ms == pytest.approx(np.mean(trips), abs=1)
    assert PROFILE.create.median == pytest.approx(ms(greeting, "response.created", "conversation.item.added"), abs=1)


def _cdf(prior):
    def below(logs):
        away = logs - np.log(prior.median)
        return stats.norm.cdf(away / np.where(away > 0, prior.upper_sigma, prior.sigma))

    return below


def test_every_prior_of_one_model_is_a_profiles_figure_and_every_source_has_its_n():
    names = {entry.name for entry in fields(Profile)}
    assert set(SOURCES) | {name for priors in BY_MODEL.values() for name in priors} <= names
    told = list(priors_table())
    assert len(told) == len(SOURCES) + sum(map(len, BY_MODEL.values())) + len(BY_RECOGNISER)
    assert all(source.startswith("from ") and " public response" in source for *_, source in told)


def test_wide_where_n_is_small():
    priors = [*BY_RECOGNISER.values(), *(prior for known in BY_MODEL.values() for prior in known.values())]
    values = [prior.value for prior in priors if prior.n < 10]
    values += [getattr(PROFILE, name) for name, source in SOURCES.items() if source.n < 10]
    spread = [value.sigma for value in values if isinstance(value, LogNormal)]
    assert len(spread) >= 5 and min(spread) >= 0.4


def test_a_models_figures_stand_in_for_shipped_priors_only():
    fast = replace(PROFILE, name="fast", first_byte=LogNormal(100.0, 0.1))
    assert paced(fast, "gpt-realtime-2.1", None).first_byte == LogNormal(100.0, 0.1)
    assert paced(fast, "gpt-realtime-2.1", None).leading_silence.median == 57.0
    assert paced(PROFILE, "gpt-realtime-2025-08-28", None) == paced(PROFILE, "gpt-realtime", None) != PROFILE
    assert paced(PROFILE, "gpt-realtime", "gpt-4o-transcribe").transcription.median == 440.0
    assert paced(PROFILE, "my-deployment", "my-recogniser") == paced(PROFILE, None, None) == PROFILE


@pytest.mark.parametrize(
    ("model", "does"),
    [
        ("gpt-realtime-2", True),
        ("gpt-realtime-2.1", True),
        ("gpt-realtime-2.1-mini", True),
        ("gpt-realtime-2.1-2026-08-01", True),
        ("gpt-realtime", False),
        ("gpt-realtime-2025-08-28", False),
        ("gpt-realtime-1.5", False),
        ("gpt-realtime-mini", False),
        (None, False),
    ],
)
def test_only_gpt_realtime_2_and_its_successors_reason(model, does):
    assert reasons(model) is does
