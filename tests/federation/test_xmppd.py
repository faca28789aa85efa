"""Federation with xmppd: see matrix.py."""
from matrix import *  # noqa: F401,F403

PEER = "xmppd"
