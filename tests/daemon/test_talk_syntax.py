"""Every conversation can be read: an error in a script shows here and not first where sipcomp is built."""
import pytest

from harness import system, talk

SCRIPTS = sorted((system.TESTS / "talk").rglob("*.talk"))


@pytest.mark.parametrize("path", SCRIPTS, ids=[str(p.relative_to(system.TESTS / "talk")) for p in SCRIPTS])
def test_it_can_be_read(path):
    script = talk.Talk(path)
    first = path.read_text().splitlines()[0]
    assert first.startswith("# ") and len(first) > 12, "a conversation begins with what it shows"
    names = {line.words()[1] for line in script.lines if line.first.split()[0] in ("client", "stream", "component", "peer", "user")}
    for line in script.lines:
        word = line.first.split()[0]
        assert word in names | {"server", "sipcomp", "client", "stream", "component", "peer", "user", "pause", "ctl"}, line.first
