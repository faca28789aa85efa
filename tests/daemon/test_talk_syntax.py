"""Every conversation can be read: an error in a script shows here and not first where sipcomp is built."""
import re

from harness import system, talk


def test_every_conversation_can_be_read():
    for path in sorted((system.TESTS / "talk").rglob("*.talk")):
        script = talk.Talk(path)
        first = path.read_text().splitlines()[0]
        assert first.startswith("# ") and len(first) > 12, f"{path} does not begin with what it shows"
        names = {line.words()[1] for line in script.lines if line.first.split()[0] in ("client", "stream", "component", "peer", "user")}
        names |= {line.first.split()[-1] for line in script.lines if re.match(r"\w+ (accepts|connects)\b.* as \w+$", line.first)}
        for line in script.lines:
            word = line.first.split()[0]
            known = names | {"server", "sipcomp", "client", "stream", "component", "peer", "user", "pause", "ctl"}
            assert word in known, f"{path}:{line.number}: {line.first}"
