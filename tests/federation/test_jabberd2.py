"""Federation with jabberd2: see matrix.py."""
from matrix import *  # noqa: F401,F403

PEER = "jabberd2"
