"""Eight processes at once, threads, forks and several Stores: everything that was acknowledged is there once."""

import os
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from racing import BUDGET_S, Racer, entries_shown, race, verify_sound, verify_whole

from memshim import Store

NAMES = [f"racer{n}" for n in range(8)]
BASE = "# Memory\n\nSome text.\n\n- the line that all want\n" + "".join(f"- line of {n}, version 0\n" for n in NAMES)


@pytest.fixture
def store(store_dir: Path) -> Store:
    (store_dir / "MEMORY.md").write_text(BASE)
    store = Store.open(store_dir)
    store.init()
    return store


def run(store: Store, role: str, seed: int, **options: Any) -> list[dict[str, Any]]:
    """Eight racers with one role; options that are lists give each racer its own."""
    racers = []
    for n, name in enumerate(NAMES):
        own = {key: value[n] if isinstance(value, list) else value for key, value in options.items()}
        racers.append(Racer(Path(store.layout.root), role, **{"agent": name, "name": name, "seed": seed + n, **own}))
    return race(*racers)


def lines(store: Store) -> Counter[str]:
    text = store.read().text
    assert (Path(store.layout.root) / "MEMORY.md").read_text() == text
    return Counter(text.splitlines())


def test_eight_agents_append_at_once(store: Store, seed: int) -> None:
    told = run(store, "append", seed, count=10, published=0.7)
    assert len(told) == 80
    verify_whole(Path(store.layout.root), told)


def test_eight_processes_append_under_one_agents_id(store: Store, seed: int) -> None:
    told = run(store, "append", seed, count=10, published=0.3, agent="ann")
    assert len({row["id"] for row in told}) == 80
    verify_whole(Path(store.layout.root), told)


def test_the_first_appends_of_all_make_one_store(store_dir: Path, seed: int) -> None:
    told = run(Store.open(store_dir), "append", seed, count=2)
    assert len(told) == 16
    verify_whole(store_dir, told)


def test_edits_of_different_lines_of_one_revision_all_succeed(store: Store, seed: int) -> None:
    told = run(store, "edit_expected", seed, base=store.read().revision)
    assert [row["did"] for row in told] == ["edit"] * 8
    assert [row["merged"] for row in told].count(False) == 1
    kept = lines(store)
    assert {row["text"]: kept[row["text"]] for row in told} == {f"- line of {n}, version 1": 1 for n in NAMES}
    assert not any("version 0" in line for line in kept)
    verify_sound(Path(store.layout.root))


def test_edits_of_the_newest_text_follow_each_other(store: Store, seed: int) -> None:
    told = run(store, "edit_own", seed, count=4)
    assert len(told) == 32
    kept = lines(store)
    assert [kept[f"- line of {n}, version 4"] for n in NAMES] == [1] * 8
    assert not any("version 3" in line for line in kept)
    verify_sound(Path(store.layout.root))


def test_of_edits_of_one_line_one_wins_and_the_others_are_told(store: Store, seed: int) -> None:
    told = run(store, "edit_same", seed, base=store.read().revision)
    won = [row for row in told if row["did"] == "edit"]
    lost = [row for row in told if row["did"] == "refused"]
    assert (len(won), [row["code"] for row in lost]) == (1, [12] * 7)
    kept = lines(store)
    assert kept[won[0]["text"]] == 1
    assert not [row["text"] for row in lost if kept[row["text"]]]
    assert sum(kept.values()) == BASE.count("\n")  # nothing else has changed
    verify_sound(Path(store.layout.root))


def test_what_was_forgotten_stays_away_and_the_rest_stays(store: Store, seed: int) -> None:
    told = run(store, "forget_own", seed, count=4)
    assert len(told) == 32
    kept = lines(store)
    assert not [row["text"] for row in told if kept[row["text"]]]
    assert kept == Counter(BASE.splitlines())
    log = Counter(entry.id for entry in store.log())
    assert {log[row[key]] for row in told for key in ("id", "entry")} == {1}
    verify_sound(Path(store.layout.root))


def test_everything_at_once(store: Store, seed: int) -> None:
    roles = ["mixed", "mixed", "append", "append", "edit_own", "edit_own", "forget_own", "compact"]
    racers = [
        Racer(Path(store.layout.root), role, name, name=name, seed=seed, count=5, published=0.5)
        for role, name in zip(roles, NAMES, strict=True)
    ]
    told = race(*racers)
    verify_whole(Path(store.layout.root), told)
    kept = lines(store)
    assert not [row["text"] for row in told if row["did"] == "forget" and kept[row["text"]]]
    assert [kept[f"- line of {n}, version 5"] for n in NAMES[4:6]] == [1, 1]
    assert [kept[f"- line of {n}, version 0"] for n in [*NAMES[:4], *NAMES[6:]]] == [1] * 6


# --- one process ----------------------------------------------------------------------------------------------


def together(count: int, act: Callable[[int], None]) -> None:
    """Runs threads that start at once; an exception in one fails the test."""
    gate, failures = threading.Barrier(count), []

    def guarded(n: int) -> None:
        try:
            gate.wait(BUDGET_S)
            act(n)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(BUDGET_S)
    assert not any(thread.is_alive() for thread in threads)
    assert failures == []


def appends(count: int, open_store: Callable[[int], Store]) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []

    def act(n: int) -> None:
        store = open_store(n)
        for k in range(6):
            text = f"- note {k} of thread {n}"
            told.append({"did": "append", "id": store.append(text, publish=k % 3 == 0), "text": text})

    together(count, act)
    return told


def test_threads_share_one_store(store: Store) -> None:
    told = appends(8, lambda n: store)
    assert len(told) == 48
    verify_whole(Path(store.layout.root), told)


def test_threads_share_one_store_for_edits_and_readings(store: Store) -> None:
    def act(n: int) -> None:
        for k in range(3):
            store.edit(f"- line of {NAMES[n]}, version {k}", f"- line of {NAMES[n]}, version {k + 1}")
            assert f"- line of {NAMES[n]}, version {k + 1}\n" in store.read().text

    together(8, act)
    assert [lines(store)[f"- line of {n}, version 3"] for n in NAMES] == [1] * 8
    verify_sound(Path(store.layout.root))


def test_two_stores_on_one_folder_in_one_process(store: Store) -> None:
    link = Path(store.layout.root).parent / "another-way"
    link.symlink_to(store.layout.root)
    stores = [store, Store.open(link)]
    told = appends(4, lambda n: stores[n % 2])
    verify_whole(Path(store.layout.root), told)


def in_fork(act: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            act()
            code = 0
        finally:
            os._exit(code)
    return pid


def test_a_fork_goes_on_with_the_store_that_was_open(store: Store, tmp_path: Path) -> None:
    first = store.append("- before the fork")

    def child() -> None:
        ids = [store.append(f"- child {k}", publish=k == 3) for k in range(6)]
        (tmp_path / "child").write_text(" ".join(ids))

    pid = in_fork(child)
    ids = [first, *(store.append(f"- parent {k}", publish=k == 2) for k in range(6))]
    _, status = os.waitpid(pid, 0)
    assert status == 0
    ids += (tmp_path / "child").read_text().split()
    shown = entries_shown(Path(store.layout.root))
    assert [shown[id_] for id_ in ids] == [1] * 13
    verify_sound(Path(store.layout.root))


@pytest.mark.parametrize("quick", [False, True], ids=["with the library", "quick"])
def test_a_fork_made_in_the_middle_of_a_turn_keeps_nobody_waiting(store: Store, quick: bool) -> None:
    store.quick = quick
    end, said = os.pipe()
    with store.turn():
        pid = in_fork(lambda: (os.close(said), os.read(end, 1))[0])  # lives until the parent lets it end
    try:
        store.lock_timeout = 5.0
        store.append("- after the fork")
        assert store.notes == []
    finally:
        os.close(said)
        os.waitpid(pid, 0)
        os.close(end)
    assert lines(store)["- after the fork"] == 1
