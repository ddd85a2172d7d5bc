"""Incidents: written from anywhere, read by `status`, never in anybody's way."""

import os
import time

import pytest

from memshim.disk import incidents


def test_what_was_reported_is_read_again() -> None:
    before = time.time() - 1
    incidents.report("hook failed", error="ValueError", size=3)
    incidents.report("hook slow", seconds=3.5)
    first, second = incidents.recent(before)
    assert (first["what"], first["error"], first["size"], second["seconds"]) == ("hook failed", "ValueError", 3, 3.5)
    assert incidents.recent(time.time() + 5) == []
    assert os.stat(incidents.path()).st_mode & 0o777 == 0o600


def test_a_damaged_line_hides_no_other() -> None:
    incidents.report("one")
    with open(incidents.path(), "ab") as file:
        file.write(b'{"time": 1, "what"\n\xff\xfe\n[1]\n{"time": "x"}\n')
    incidents.report("two")
    assert [row["what"] for row in incidents.recent(0)] == ["one", "two"]


def test_a_long_file_is_put_aside_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incidents, "MAX_BYTES", 500)
    for n in range(30):
        incidents.report(f"incident {n}")
    rows = [row["what"] for row in incidents.recent(0)]
    assert rows[-1] == "incident 29"
    assert 2 < len(rows) < 30


def test_where_nothing_can_be_written_nothing_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    incidents.report("lost")
    assert incidents.recent(0) == []
