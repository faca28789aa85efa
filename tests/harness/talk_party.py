"""The parties of a conversation."""
import time

WAIT = 5.0                  # seconds an awaited event may take


class Party:
    def __init__(self, name):
        self.name = name

    def finish(self):
        pass


class XmppParty(Party):
    """A client, component or bare stream: what the script does with it is the same."""

    def __init__(self, name, connection, domain, logged_in):
        super().__init__(name)
        self.stream, self.domain, self.logged_in = connection, domain, logged_in
        self.gone = self.told_to_close = False
        self.forgive = lambda event: False      # what a script does not want to know about

    def receive(self, seconds):
        end = time.monotonic() + seconds
        while True:
            event = self.stream.receive(max(0, end - time.monotonic()))
            if event is None or not self.forgive(event):
                return event

    def finish(self):
        if not self.gone and self.stream:
            if self.logged_in and not self.stream.ended:
                self.stream.close(2)
            else:
                self.stream.cut()


class SipParty(Party):
    def __init__(self, name, peer):
        super().__init__(name)
        self.peer = peer
        self.last_request = None
        self.last_response = None
        self.dialogs = {}
        self.requests = {}
        self.invites = {}                       # what we sent last to begin a dialog, for CANCEL
        self.kept = []

    def finish(self):
        self.peer.accept_filter = lambda message: False
