"""The samples in conf/ are right as they stand, and name every setting that there is."""
import os
import re
import subprocess
from pathlib import Path

import pytest

from harness import system

CONF = Path(__file__).resolve().parents[2] / "conf"
SOURCES = CONF.parent


def needs(program):
    return pytest.mark.skipif(os.environ.get("CI") != "true" and not system.have(program), reason=f"{program} is not built")


@pytest.mark.parametrize("program", [pytest.param("xmppd", marks=needs("xmppd")), pytest.param("sipcomp", marks=needs("sipcomp"))])
def test_the_sample_is_good(program):
    done = subprocess.run([system.program(program), "-t", "-c", CONF / f"{program}.conf"], capture_output=True, text=True, timeout=20 * system.PATIENCE)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "no warning either"


@pytest.mark.parametrize("sample, tables", [
    ("xmppd.conf", ["xmppd/settings.c", "xmppd/route/limits.c"]),
    ("sipcomp.conf", ["sipcomp/settings.c"]),
    ("federation.conf", ["shared/config/federation.c"]),
])
def test_the_sample_names_every_setting(sample, tables):
    text = (CONF / sample).read_text()
    for table in tables:
        rows = re.findall(r'\{ "([a-z0-9-]+)",\s*SETTING_', (SOURCES / table).read_text())
        assert len(rows) > 5
        missing = [row for row in rows if not re.search(rf"\b{row}\s*=", text)]
        assert not missing, missing
