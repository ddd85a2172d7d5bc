"""What memory means: blocks, entries, the merge and the fold.  Pure: must not know files, clocks, processes or chance."""
