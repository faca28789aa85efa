#!/bin/sh
# The stairs of the house: a room includes rooms below it, never above, and nobody else's private header; each library has one room;
# each header compiles alone and each file is in a local.mk. Prints every line that breaks this.
#
# SRC_DIR is the top of the tree; CC and CPPFLAGS, where set, compile the headers.
set -u

cd "${SRC_DIR:-$(dirname "$0")/../..}" || exit 1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

# Steps of the stairs: a room may include itself and rooms with a smaller number. Of two rooms on one step,
# one may include the other, but not both each other.
cat >"$scratch/steps" <<'END'
shared/base             0
shared/tls              10
shared/xml              10
shared/loop             20
shared/xmpp             30
shared/dns              30
shared/store            30
shared/config           40
shared/control          50
xmppd/extend            60
xmppd/route             60
xmppd/directory         65
xmppd/user              70
xmppd/sasl              70
xmppd/c2s               80
xmppd/s2s               80
xmppd/component         80
xmppd/muc               80
xmppd/xep               80
xmppd/admin             90
xmppd/http              90
xmppd                   100
xmppd/ctl               75
sipcomp/sip             60
sipcomp/msrp            60
sipcomp/component       60
sipcomp/dialect         70
sipcomp/route           70
sipcomp/simple          80
sipcomp/bridge          90
sipcomp/admin           100
sipcomp                 110
END

# Which room may include which library.
cat >"$scratch/libraries" <<'END'
expat.h         shared/xml
uv.h            shared/loop
lmdb.h          shared/store
openssl/        shared/base shared/tls
ares.h          shared/dns
idna.h          shared/xmpp
stringprep.h    shared/xmpp
punycode.h      shared/xmpp
sasl/           xmppd/sasl
ldap.h          xmppd/directory
osip2/          sipcomp/sip
osipparser2/    sipcomp/sip
strophe.h       xmppd/ctl
microhttpd.h    xmppd/http
END

find shared xmppd sipcomp -name '*.c' -o -name '*.h' | sort >"$scratch/files"
xargs grep -Hn '^[[:space:]]*#[[:space:]]*include' <"$scratch/files" >"$scratch/includes"

awk -v steps="$scratch/steps" -v libraries="$scratch/libraries" '
function room_of(path,    room) {
        room = path
        sub(/\/[^\/]*$/, "", room)
        return room
}
function complain(what) {
        print where ": " what
        bad = 1
}
BEGIN {
        while ((getline line < steps) > 0) {
                split(line, f, " ")
                step[f[1]] = f[2] + 0
        }
        while ((getline line < libraries) > 0) {
                n = split(line, f, " ")
                for (i = 2; i <= n; i++)
                        allowed[f[1]] = allowed[f[1]] " " f[i] " "
        }
}
{
        split($0, part, ":")
        path = part[1]; where = part[1] ":" part[2]
        room = room_of(path)
        if (!(room in step)) {
                complain("the room " room " has no step in the stairs")
                next
        }
        if (match($0, /"[^"]*"/)) {
                name = substr($0, RSTART + 1, RLENGTH - 2)
                target = room_of(name)
                if (name !~ /\//)
                        complain("\"" name "\" does not name its whole path")
                else if (!(target in step))
                        complain("\"" name "\" is in no room")
                else if (room != target) {
                        if (name ~ /_private\.h$/)
                                complain("\"" name "\" is private to " target)
                        if (step[target] > step[room])
                                complain("\"" name "\" is not below " room)
                        else if (step[target] == step[room])
                                beside[room, target] = where
                        if (room ~ /^xmppd/ && target ~ /^sipcomp/ || room ~ /^sipcomp/ && target ~ /^xmppd/)
                                complain("\"" name "\" belongs to the other program")
                        if (room == "xmppd/ctl" && target !~ /^shared/ && target != "xmppd/user")
                                complain("\"" name "\": ctl uses shared and the accounts of user only")
                        if (target == "xmppd/ctl")
                                complain("\"" name "\" belongs to the program xmppctl")
                }
        } else if (match($0, /<[^>]*>/)) {
                name = substr($0, RSTART + 1, RLENGTH - 2)
                for (prefix in allowed)
                        if (index(name, prefix) == 1 && index(allowed[prefix], " " room " ") == 0)
                                complain("<" name "> belongs to" allowed[prefix])
        }
}
END {
        for (pair in beside) {
                split(pair, rooms, SUBSEP)
                if (rooms[1] < rooms[2] && (rooms[2], rooms[1]) in beside) {
                        where = beside[pair]
                        complain(rooms[1] " and " rooms[2] " stand on one step and include each other, see " beside[rooms[2], rooms[1]])
                }
        }
        exit bad
}
' "$scratch/includes" >"$scratch/complaints"
bad=$?
cat "$scratch/complaints"

# Each file is known to make, so that it is built, tested and in the tarball.
{
        cat "$scratch/files"
        find tests/unit tests/fuzz -name 'test_*.c' -o -name 'fuzz_*.c' -o -name '*.h' | sed 's/\(test_.*\|fuzz_.*\)\.c$/\1/'
} | while read -r file; do
        grep -qE "(^|[[:space:]])$file([[:space:]]|\$)" shared/local.mk xmppd/local.mk sipcomp/local.mk tests/unit/local.mk tests/fuzz/local.mk ||
                echo "$file: in no local.mk"
done >"$scratch/unlisted"
if [ -s "$scratch/unlisted" ]; then
        cat "$scratch/unlisted"
        bad=1
fi

# Each header compiles alone, and twice.
if command -v "${CC:=cc}" >/dev/null 2>&1 || command -v "${CC%% *}" >/dev/null 2>&1; then
        grep '\.h$' "$scratch/files" >"$scratch/headers"
        while read -r header; do
                printf '#include "%s"\n#include "%s"\n' "$header" "$header" >"$scratch/alone.c"
                if ! $CC -std=gnu11 -fsyntax-only -Wall -Wextra -Wno-unused-parameter -Werror -D_GNU_SOURCE -I. ${CPPFLAGS-} \
                        "$scratch/alone.c" 2>"$scratch/alone.err" </dev/null; then
                        echo "$header: does not compile alone"
                        head -n 5 "$scratch/alone.err"
                        bad=1
                fi
        done <"$scratch/headers"
fi

[ $bad -ne 0 ] || echo "$(wc -l <"$scratch/includes") includes in $(wc -l <"$scratch/files") files"
exit $bad
