"""People's door: one file per family of commands.  Must not hold a rule that the library does not keep as well."""
