"""The schedule: every trial goes out once, places stay with their lane, tasks grow and shrink."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from realtime_lab.sweep.running.schedule import MAX_TASK_TRIALS, Schedule


def rows(blocks, per_block):
    """Trials of `blocks`, a list of places."""
    return [
        (block * per_block + n, block, place) for block, place in enumerate(blocks) for n in range(per_block)
    ]  # fmt: skip


@given(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=8),
    st.integers(1, 9),
    st.integers(1, 4),
    st.data(),
)
def test_every_trial_goes_out_once_whatever_the_order_of_events(blocks, per_block, lanes, data):
    schedule = Schedule(rows([(place, "clean") for place in blocks], per_block), lanes)
    taken = []
    while len(schedule):
        lane = data.draw(st.integers(0, lanes - 1))
        task = schedule.take(lane)
        assert task, "while trials are left, every lane gets some"
        schedule.took(lane, len(task), data.draw(st.floats(0, 2)))
        taken += task
    assert sorted(taken) == list(range(len(blocks) * per_block))
    assert schedule.take(0) == []


def test_a_lane_stays_with_its_script_and_condition():
    schedule = Schedule(rows([("a", "clean"), ("b", "clean"), ("a", "clean"), ("b", "clean")], 4), 2)
    first, second = [], []
    while len(schedule):
        first += [number // 4 for number in schedule.take(0)]
        second += [number // 4 for number in schedule.take(1)]
    assert (set(first), set(second)) == ({0, 2}, {1, 3})


def test_a_lane_without_a_block_helps_with_the_longest():
    schedule = Schedule(rows([("a", "clean")], 10), 2)
    assert schedule.take(0) == [0]
    assert schedule.take(1) == [1]


def test_tasks_begin_with_one_trial_and_double_up_to_half_a_second():
    schedule = Schedule(rows([("a", "clean")], 10_000), 1)
    sizes = []
    for _ in range(8):
        task = schedule.take(0)
        sizes.append(len(task))
        schedule.took(0, len(task), 0.01 * len(task))
    assert sizes == [1, 2, 4, 8, 16, 32, 50, 50]


def test_tasks_are_bounded_however_fast_trials_are():
    schedule = Schedule(rows([("a", "clean")], 10_000), 1)
    for _ in range(12):
        task = schedule.take(0)
        schedule.took(0, len(task), 0.0)
    assert len(task) == MAX_TASK_TRIALS


def test_a_slow_first_trial_keeps_the_next_task_small():
    schedule = Schedule(rows([("a", "clean")], 100), 1)
    schedule.took(0, len(schedule.take(0)), 8.0)
    assert len(schedule.take(0)) == 1


def test_tasks_shrink_towards_the_end_so_that_lanes_finish_together():
    schedule = Schedule(rows([("a", "clean")], 64), 2)
    schedule.took(0, 64, 0.001)
    assert [len(schedule.take(0)) for _ in range(5)] == [16, 12, 9, 6, 5]


def test_trials_of_a_dead_worker_come_first_and_alone():
    schedule = Schedule(rows([("a", "clean")], 4), 1)
    schedule.take(0)
    schedule.again([0])
    assert len(schedule) == 4
    assert schedule.take(0) == [0]


def side_by_side(trials=100, lanes=2, at_once=8):
    return Schedule(rows([("a", "clean")], trials), lanes, at_once)


def test_sessions_side_by_side_never_exceed_what_the_service_allows():
    schedule = side_by_side()
    assert [len(schedule.take(lane)) for lane in (0, 1)] == [8, 8]
    assert schedule.take(0) == []
    schedule.back(8, limited=True)
    assert schedule.allowed == 8
    assert schedule.take(0) == [], "the other worker's eight are all that is allowed now"
    schedule.back(8, limited=True)
    assert schedule.allowed == 4
    assert len(schedule.take(0)) == 4


def test_sessions_side_by_side_are_of_as_many_blocks_as_it_takes():
    """Two settings a script: a worker that holds eight sessions does not wait for two of them at a time."""
    schedule = Schedule(rows([(script, "clean") for script in "abcdef"], 2), 1, 8)
    assert schedule.take(0) == list(range(8))
    schedule.back(8)
    assert schedule.take(0) == [8, 9, 10, 11]


def test_the_last_sessions_are_shared_among_the_workers():
    schedule = Schedule(rows([(script, "clean") for script in "abc"], 2), 2, 8)
    assert [schedule.take(lane) for lane in (0, 1)] == [[0, 1, 2], [4, 5, 3]]


def test_what_a_service_allows_is_tried_again_one_by_one_and_never_falls_to_none():
    schedule = side_by_side()
    for _ in range(9):
        schedule.back(len(schedule.take(0)), limited=True)
    assert schedule.allowed == 1
    seen = []
    for _ in range(20):
        schedule.back(len(schedule.take(0)))
        seen.append(schedule.allowed)
    assert seen == [*range(2, 17), 16, 16, 16, 16, 16]


def test_a_task_is_no_larger_than_what_is_asked_for():
    schedule = Schedule(rows([("a", "clean")], 100), 1)
    schedule.took(0, 64, 0.001)
    assert len(schedule.take(0, most=3)) == 3
    assert schedule.take(0, most=0) == []
    assert len(schedule) == 97


def test_trials_that_are_put_back_come_first_and_room_for_them_is_free_again():
    schedule = Schedule(((n, 0, ("a", "clean")) for n in range(8)), 1, 4)
    first = schedule.take(0)
    assert len(schedule.take(0)) + len(first) <= 4
    schedule.put_back(first[1:], dropped=1)
    assert schedule.take(0, 2) == first[1:3]
