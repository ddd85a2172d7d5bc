"""The one object, Store: journals, intake, adoption, publishing, compaction.  Must not know agents' tools or terminals."""
