# Sourced by scripts, before they change the directory. The comment that a script begins with is
# its usage: `--help` prints it, and `usage MESSAGE` prints it as an error and exits with status 2.

usage_text=$(sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0")

usage() {
    printf '%s: %s\n\n%s\n' "${0##*/}" "$1" "$usage_text" >&2
    exit 2
}

# For scripts that take no arguments.
no_arguments() { [ $# -eq 0 ] || usage "unexpected argument \`$1\`"; }

case ${1-} in
    -h | --help) printf '%s\n' "$usage_text" && exit ;;
esac
