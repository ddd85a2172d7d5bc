"""Events: what is watched stays watched, whatever becomes of another folder or of the process that hears."""

import os
import signal
import sys

import pytest
from waiting import until

from memshim.daemon import ears, events

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the process that hears is Linux's")


@pytest.fixture
def heard():
    return []


@pytest.fixture
def watching(heard):
    found = events.Events(lambda folder, name, what, fd: heard.append((folder, what)))
    yield found
    found.close()


@pytest.fixture
def folders(tmp_path):
    made = [str(tmp_path / name) for name in ("one", "two", "three")]
    for folder in made:
        os.mkdir(folder)
    return made


def written_in(folder):
    with open(os.path.join(folder, "MEMORY.md"), "wb") as file:
        file.write(b"- mine\n")


def test_a_folder_for_which_no_watch_is_left_costs_the_others_nothing(watching, heard, folders, monkeypatch):
    real = events._Ears.add

    def add(self, folder):
        if folder == folders[1]:
            raise events.CannotWatch("there are too many watches")
        return real(self, folder)

    monkeypatch.setattr(events._Ears, "add", add)
    watching.add(folders[0])
    with pytest.raises(events.CannotWatch):
        watching.add(folders[1])
    watching.add(folders[2])
    for folder in (folders[0], folders[2]):
        written_in(folder)
    assert until(lambda: {folders[0], folders[2]} <= {folder for folder, _ in heard})


def test_when_the_process_that_hears_has_ended_everybody_is_told_to_add_again(watching, heard, folders, monkeypatch):
    watching.add(folders[0])
    monkeypatch.setattr(watching._source, "_closing", True)  # as if who asks next came before the word of its end
    os.kill(watching._source._pid, signal.SIGKILL)
    with pytest.raises(events.Ended):
        watching.add(folders[1])
    assert ("", ears.LOST) in heard
    for folder in folders[:2]:
        watching.add(folder)
        written_in(folder)
    assert until(lambda: set(folders[:2]) <= {folder for folder, _ in heard})


def test_a_folder_is_let_go_of_though_the_process_that_hears_has_ended(watching, heard, folders):
    watching.add(folders[0])
    watching.add(folders[1])
    os.kill(watching._source._pid, signal.SIGKILL)
    watching.remove(folders[0])
    assert until(lambda: ("", ears.LOST) in heard)
    watching.remove(folders[1])
    watching.add(folders[2])
    written_in(folders[2])
    assert until(lambda: folders[2] in {folder for folder, _ in heard})


def test_where_no_process_can_hear_nobody_is_told_to_try_again(watching, heard, folders, monkeypatch):
    monkeypatch.setattr(events.sys, "executable", "/bin/false")
    for folder in folders:
        with pytest.raises(events.CannotWatch):
            watching.add(folder)
    assert heard == []
