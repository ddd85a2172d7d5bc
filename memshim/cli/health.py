"""The command that verifies: check."""

from memshim.cli.common import JSON, STORE, agent_of, say, say_json
from memshim.cli.declare import Word, command
from memshim.disk.layout import resolve
from memshim.errors import CheckFailed
from memshim.store.store import Store


@command(
    Word("--repair", flag=True, help="Put right what can be put right."),
    *STORE,
    JSON,
)
def check_command(repair: bool, store: str | None, agent: str | None, as_json: bool) -> int:
    """Verify the invariants of docs/format.md; exit 13 for what a crash cannot explain."""
    opened = Store.open(resolve(store), agent=agent_of(agent))
    repaired, findings = opened.check(repair=repair)
    bad = [f for f in findings if f.level != "note"]
    if as_json:
        rows = [{"level": f.level, "name": f.name, "path": f.path, "text": f.text} for f in findings]
        say_json({"ok": not bad, "findings": rows, "repaired": repaired})
        return CheckFailed.exit_code if bad else 0
    for text in repaired:
        say(text)
    for finding in findings:
        say(f"{finding.level:<6} {finding.name}: {finding.text}")
    if bad:
        hint = (
            "Some of it cannot be repaired; the text above says what is safe."
            if repair
            else "Try: memshim check --repair"
        )
        verb = "is" if len(bad) == 1 else "are"
        raise CheckFailed(f"{len(bad)} of the store's invariants {verb} broken.", hint)
    say(
        "The store is sound." if not findings else "The store is sound; the notes are what a stopped command may leave."
    )
    return 0
