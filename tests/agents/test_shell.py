"""Shell commands: which can write, and which folders they name."""

from pathlib import Path

import pytest

from memshim.agents.shell import can_write, paths


@pytest.mark.parametrize(
    "command",
    [
        "cat MEMORY.md",
        "ls -la ~/.claude/projects/-x/memory/ | head -5",
        "grep -rn 'a > b' memory && wc -l memory/MEMORY.md",
        "cd memory; tail -n 3 MEMORY.md 2>/dev/null",
        "cat MEMORY.md > /dev/null 2>&1",
        "find memory -name '*.md'",
        "sed -n '1,5p' MEMORY.md",
        "sort MEMORY.md | uniq -c",
        "uniq -c MEMORY.md",
        "tree memory",
        "LANG=C grep x MEMORY.md",
        '[ -f MEMORY.md ] && echo "it\'s; there > here"',
        "",
    ],
)
def test_readers_write_nothing(command: str) -> None:
    assert not can_write(command)


@pytest.mark.parametrize(
    "command",
    [
        "echo '- x' >> MEMORY.md",
        "sed -i 's/a/b/' MEMORY.md",
        "sed -Ei s/a/b/ MEMORY.md",
        "python3 fix.py MEMORY.md",
        "cat x | tee MEMORY.md",
        "cat MEMORY.md && rm topic.md",
        "mv a.md b.md",
        "cat <<EOF > MEMORY.md\n- x\nEOF",
        'cat "$(rm MEMORY.md)"',
        "cat `rm MEMORY.md`",
        "find . -name '*.md' -delete",
        "find . -fls MEMORY.md",
        "sort -o MEMORY.md MEMORY.md",
        "uniq notes.md MEMORY.md",
        "tree -o MEMORY.md",
        "cat 'unfinished",
        "X=1 ./script",
        "ls\nrm topic.md",
        "(rm topic.md)",
        "true & rm topic.md",
        "cat MEMORY.md 2>errors.md",
    ],
)
def test_in_doubt_a_command_may_write(command: str) -> None:
    assert can_write(command)


def test_paths_are_found_however_they_are_written(tmp_path: Path) -> None:
    environ = {"HOME": "/home/x", "CLAUDE_CONFIG_DIR": "/cfg"}
    command = (
        "M=/m/one/MEMORY.md; echo a >>~/two/MEMORY.md; cat \"$HOME/three/MEMORY.md\" '${HOME}/four' "
        "$CLAUDE_CONFIG_DIR/five/x.md && cd ../six; python3 -c \"open('/m/seven/MEMORY.md','w')\" topic.md"
    )
    found = set(paths(command, "/srv/here", environ))
    assert found >= {
        "/srv/here",
        "/m/one/MEMORY.md",
        "/home/x/two/MEMORY.md",
        "/home/x/three/MEMORY.md",
        "/home/x/four",
        "/cfg/five/x.md",
        "/srv/six",
        "/m/seven/MEMORY.md",
        "/srv/here/topic.md",
    }


@pytest.mark.parametrize(
    "command",
    [
        'echo "- x" >> "/home/John Doe/memory/MEMORY.md"',
        "sed -i s/a/b/ '/home/John Doe/memory/MEMORY.md'",
        "echo it\\'s >> '/home/John Doe/memory/MEMORY.md'",
        "echo x >>/home/John\\ Doe/memory/MEMORY.md",
        "python3 -c \"open('/home/John Doe/memory/MEMORY.md', 'a')\"",
        'cat x > "$HOME/memory/MEMORY.md"',
    ],
)
def test_a_path_with_a_space_in_it_is_found(command: str) -> None:
    assert "/home/John Doe/memory/MEMORY.md" in set(paths(command, "/srv", {"HOME": "/home/John Doe"}))


def test_a_hostile_command_costs_little() -> None:
    command = "echo " + "a/b " * 200_000 + "\0/x " + "/" * 100_000
    assert len(list(paths(command, "/", {}))) <= 2_001
    assert len(list(paths("' /a" * 200_000, "/", {}))) <= 4_001
    assert can_write("'" * 100_001)
