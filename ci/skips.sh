# Sourced by scripts. Lists of tests that a system cannot run have one path a line, and the reasons
# in comments.

# Prints the paths in list $1.
skipped() { sed 's/#.*//; s/ *$//; /^$/d' "$1"; }

# Fails if list $1 has a path that is not in the standard input, which is what the test programs
# print for `--list`: a test that was renamed, or is gone.
check_skipped() {
    local missing
    missing=$(comm -23 <(skipped "$1" | sort) <(tr -d '\r' | sed -n 's/: test$//p' | sort))
    [ -z "$missing" ] || { printf '%s: no such test:\n%s\n' "$1" "$missing" >&2; return 1; }
}
