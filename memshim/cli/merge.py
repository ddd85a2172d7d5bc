"""`memshim merge-file`: the door of the one merge, with git's contract."""

import sys

from memshim.cli import failure
from memshim.cli.common import write_bytes
from memshim.cli.declare import Number, Word, command


@command(
    Word("base", required=True),
    Word("ours", required=True),
    Word("theirs", required=True),
    Word("-L", key="labels", many=True, metavar="NAME", help="Label for ours, base, theirs, in this order."),
    Word("--explain", flag=True, help="Say on standard error which rules settled what."),
    Word(
        "--marker-size", metavar="N", default=7, shown=True, kind=Number(1, 1000), help="How long conflict markers are."
    ),
    Word(
        "-o", "--output", metavar="FILE", help="Write there (as a git merge driver does: %A), not to standard output."
    ),
)
def merge_file_command(
    base: str, ours: str, theirs: str, labels: tuple[str, ...], explain: bool, marker_size: int, output: str | None
) -> int:
    """Merge the changes of OURS and THEIRS since BASE; exit 0 if clean, 1 with conflict markers, above for errors.

    As a git merge driver: git config merge.memshim.driver "memshim merge-file -o %A %O %A %B"
    """
    from memshim.text.merge import MergeLimitError, merge

    texts: list[bytes] = []
    for path in (base, ours, theirs):
        try:
            with open(path, "rb") as file:
                texts.append(file.read())
        except OSError as error:
            failure.tell(f"memshim: {path} cannot be read: {error.strerror}")
            return 2
    try:
        merged = merge(*texts)
    except MergeLimitError as error:
        failure.tell(f"memshim: {error}")
        return 2
    names = [*labels, "ours", "base", "theirs"][: len(labels)] + ["ours", "base", "theirs"][len(labels) :]
    one, two, three = (name.encode("utf-8", "surrogateescape") for name in names[:3])
    result = merged.render(one, two, three, marker_size)
    if output is None:
        write_bytes(result)
    else:
        try:
            with open(output, "wb") as file:
                file.write(result)
        except OSError as error:
            failure.tell(f"memshim: {output} cannot be written: {error.strerror}")
            return 2
    if merged.unrelated:
        failure.tell("memshim: the base has no line in common with either side; both are kept. Is it the right file?")
    for settled in merged.settled if explain else ():
        kept, dropped = (t.decode("utf-8", "replace").strip() for t in (settled.kept, settled.dropped))
        failure.tell(f"{settled.rule}: kept {kept!r}, dropped {dropped!r}")
    for n, conflict in enumerate(merged.conflicts if explain else (), 1):
        failure.tell(f"conflict {n}: {len(conflict.ours)} bytes of ours against {len(conflict.theirs)} of theirs")
    sys.stdout.flush()
    return 1 if merged.conflicts else 0
