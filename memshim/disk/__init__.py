"""How memory survives: durable files, locks, and where everything lies.  Must not know what the bytes mean."""
