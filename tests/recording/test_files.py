"""A recording survives its file form, byte for byte; damage is named by its line; times follow the two clocks."""

import gzip

import msgspec
import pytest

from realtime_lab.audio.pcm import Interval
from realtime_lab.errors import RecordingError
from realtime_lab.protocol import events as ev
from realtime_lab.recording import (
    AppendRun,
    Header,
    RecordedEvent,
    Recording,
    ReferenceTurn,
    load_recording,
    recording_from_bytes,
    recording_to_bytes,
    save_recording,
)


def recording(**header):
    fields = {"target": "t", "script_id": "s", "script_hash": "h", "condition": "clean", "seed": 1, "requested": {}}
    return Recording(
        header=Header(**{**fields, **header}),
        reference=(ReferenceTurn(index=0, speech_ms=(Interval(256.0, 900.0),), deadline_ms=5900.0, complete=True),),
        appends=(
            AppendRun(start_ms=0.0, samples=24_000, sha256="a", offset_samples=0, frame_ms=20.0),
            AppendRun(
                start_ms=1000.0, samples=960, sha256="b", offset_samples=0, frame_ms=20.0, sent_ms=(1021.5, 1043.0)
            ),
        ),
        events=(
            RecordedEvent(-20.0, "client", ev.SessionUpdate(session={"type": "realtime"})),
            RecordedEvent(990.25, "server", ev.SpeechStopped(item_id="i", audio_end_ms=940)),
            RecordedEvent(None, "server", ev.UnknownEvent(type="new", raw=b'{"type":"new","x":1}')),
        ),
        audio_ms=1040.0,
    )


def test_bytes_round_trip_exactly():
    data = recording_to_bytes(recording())
    assert recording_from_bytes(data) == recording()
    assert recording_to_bytes(recording_from_bytes(data)) == data


@pytest.mark.parametrize("name", ["r.jsonl", "r.jsonl.gz"])
def test_files_round_trip(tmp_path, name):
    path = save_recording(recording(), tmp_path / name)
    assert load_recording(path) == recording()


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda data: data[: data.rindex(b"\n", 0, -1) + 9], "line"),
        (lambda data: b"", "no header"),
        (lambda data: b"RIFF\0\0" + data, "line 1"),
        (lambda data: data.replace(b'"from":"server"', b'"from":"moon"'), "moon"),
        (lambda data: data.replace(b'"format_version":1', b'"format_version":9'), "version 9"),
    ],
)
def test_damage_is_one_clear_line(damage, complaint):
    with pytest.raises(RecordingError, match=complaint) as caught:
        recording_from_bytes(damage(recording_to_bytes(recording())), "r.jsonl")
    assert str(caught.value).startswith("r.jsonl: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"event":{"type":"input_audio_buffer.speech_stopped"', b'"event":[],"x":{"type":"y"'),
        (b'"t_ms":990.25', b'"t_ms":"soon"'),
        (b'"t_ms":990.25', b'"t_ms":1e300'),
        (b'"t_ms":990.25', b'"t_ms":true'),
        (b'"audio_ms":1040.0', b'"audio_ms":"nan"'),
        (b'"audio_ms":1040.0', b'"audio_ms":-1'),
        (b'"frame_ms":20.0', b'"frame_ms":0'),
        (b'"frame_ms":20.0', b'"frame_ms":5e-324'),
        (b'"rate_hz":24000', b'"rate_hz":0'),
        (b'"samples":960', b'"samples":-960'),
        (b'"start_ms":1000.0', b'"start_ms":1e18'),
    ],
)
def test_values_that_no_session_can_have_are_named_by_their_line(before, after):
    data = recording_to_bytes(recording())
    assert before in data
    with pytest.raises(RecordingError, match=r"^r.jsonl: line \d is not part of a recording: ") as caught:
        recording_from_bytes(data.replace(before, after), "r.jsonl")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["r.jsonl", "r.jsonl.gz"])
def test_a_file_larger_than_a_recording_can_be_is_read_no_further(tmp_path, monkeypatch, name):
    path = save_recording(recording(), tmp_path / name)
    monkeypatch.setattr("realtime_lab.recording.files.MAX_RECORDING_BYTES", 1_000)
    with pytest.raises(RecordingError, match="holds more than 1,000 bytes; this is not a recording"):
        load_recording(path)


def test_a_truncated_gzip_is_named(tmp_path):
    path = tmp_path / "r.jsonl.gz"
    path.write_bytes(gzip.compress(recording_to_bytes(recording()))[:-20])
    with pytest.raises(RecordingError, match="cannot be read"):
        load_recording(path)


@pytest.mark.parametrize(
    ("audio_ms", "sent_ms"),
    [(0.0, 0.0), (1.0, 20.0), (20.0, 20.0), (20.5, 40.0), (999.0, 1000.0), (1010.0, 1021.5), (1030.0, 1043.0)],
)
def test_a_frame_is_sent_at_its_last_sample_or_when_the_log_says(audio_ms, sent_ms):
    assert recording().sent_at(audio_ms) == sent_ms


def test_audio_that_was_never_sent_has_no_time():
    assert recording().sent_at(1040.5) is None
    assert recording(has_send_clock=False).sent_at(100.0) is None


def _long(*events):
    entries = [RecordedEvent(float(place), "server", event) for place, event in enumerate(events)]
    return msgspec.structs.replace(recording(), events=tuple(entries))


@pytest.mark.parametrize("most", [600, 1_500, 4_000, 12_500])
def test_a_recording_that_would_be_too_long_is_shortened_and_read_back(monkeypatch, most):
    """Unknown events lose what they held first, then the longest of the others, then the last ones go."""
    events = [ev.UnknownEvent(type="x", raw=b"a" * 4_000), ev.SessionUpdated(session={"instructions": "b" * 9_000})]
    whole = _long(*events, *[ev.AudioDone(response_id="r", item_id="i", output_index=0, content_index=0)] * 20)
    head = len(recording_to_bytes(_long()))
    monkeypatch.setattr("realtime_lab.recording.files.MAX_RECORDING_BYTES", head + most)
    data = recording_to_bytes(whole)
    assert len(data) <= head + most
    back = recording_from_bytes(data, "r.jsonl")
    assert back.events[0].event == ev.UnknownEvent(type="x", raw=b"", problem="4,072 bytes are left out")
    session = back.events[1].event
    assert session == events[1] if most == 12_500 else session.problem.endswith(" bytes are left out")
    assert len(back.events) == 22 or most < 3_000
    assert back.reference == whole.reference and back.header == whole.header
