"""Agents: what other products' tools do to a store becomes entries.  Must not know people's commands.

`claude` alone knows Claude Code's shapes; another product gets a module beside it.
"""
