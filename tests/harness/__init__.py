"""What the black-box tests share: starting the real daemons, speaking XMPP and SIP to them, judging what comes back.

Standard library only, so that the demo and the benchmarks can use it too.
"""
