# Reads one hook event, a line of JSON, and hands it to memshim-hook if it may be about memory.
#
# The records are what stands between quotes, so that a large event is neither copied nor searched as one text.  A quote
# within a string has a backslash before it, so a record that is exactly a key is no part of a longer text.

BEGIN {
    RS = "\""
    taker = "set -- take \"$python\"; . \"$F\""
    places = split(ENVIRON["MEMSHIM_PLACES"], place, "\n")
}

function is_memory(text, i) {
    if ((index(text, "emory") || index(text, "EMORY")) && \
        text ~ /MEMORY\.md|\/memory($|[^A-Za-z0-9_.-])|(^|[^A-Za-z0-9_.-])memory\/|agent-memory/) return 1
    for (i = 1; i <= places; i++) if (place[i] != "" && index(text, place[i])) return 1
    return 0
}

taken { printf "\"%s", $0 | taker; next }
{ part[NR] = $0 }
$0 == "tool_calls" { batch = 1 }
$0 == "tool_input" { asked = 1 }
# What a command printed says nothing of where it wrote, and may be long.
$0 == "tool_response" && asked && !batch { exit }
is_memory($0) {
    printf "%s", part[1] | taker
    for (i = 2; i <= NR; i++) printf "\"%s", part[i] | taker
    taken = 1
}
