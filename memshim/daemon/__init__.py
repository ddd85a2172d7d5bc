"""Sooner, never needed: watches the stores and serves a socket.  Must not know anything that the store does not keep itself.

Nothing that is acknowledged rests on it: whoever gets no answer in time does the work, and doing it twice changes nothing.
"""
