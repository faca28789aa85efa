#!/bin/sh
# Makes the build system and configures: ./autogen.sh [--deps] [arguments for configure]
#
# With --deps, Debian packages that are missing are installed first, as root or through sudo. No service that one of them brings is
# started. May be run from another directory, which then becomes the build directory.
set -eu

src=$(cd "$(dirname "$0")" && pwd)

# What the build needs, and what the tests need beyond it.  (zlib: a package of Debian 13's libstrophe forgets it.)
build='autoconf automake make gcc libc6-dev binutils pkg-config libuv1-dev libexpat1-dev libssl-dev libsasl2-dev libsasl2-modules
        libldap-dev
        liblmdb-dev libc-ares-dev libidn-dev libosip2-dev libstrophe-dev zlib1g-dev libsystemd-dev'
tests='libcmocka-dev openssl python3 python3-pytest python3-slixmpp sip-tester slapd ldap-utils prosody procps profanity
        go-sendxmpp clang libclang-rt-dev ejabberd dnsmasq-base lua-unbound kamailio kamailio-presence-modules kamailio-tls-modules baresip-core'
# Not every release has these; tests that want them are skipped then.
optional='jabberd2'

fail()
{
        printf 'autogen.sh: %s\n' "$*" >&2
        exit 1
}

# Prints those of its arguments that are not installed.
missing()
{
        for package; do
                case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) in
                installed) ;;
                *)      # Debian 13 ships this program under another name.
                        [ "$package" = pkg-config ] && command -v pkg-config >/dev/null && continue
                        printf '%s ' "$package" ;;
                esac
        done
}

# Prints those of its arguments that apt can install.
known()
{
        for package; do
                apt-cache show "$package" 2>/dev/null | grep -q '^Filename:' && printf '%s ' "$package" || :
        done
}

as_root()
{
        if [ "$(id -u)" -eq 0 ]; then
                "$@"
        else
                sudo "$@"
        fi
}

# invoke-rc.d and deb-systemd-invoke ask this program before they start a service; 101 forbids it.
policy=/usr/sbin/policy-rc.d
policy_is_ours=
drop_policy()
{
        [ -z "$policy_is_ours" ] || as_root rm -f "$policy"
        policy_is_ours=
}

install_packages()
{
        line="apt-get install -y --no-install-recommends $*"
        if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
                fail "these packages are missing and there is no sudo; run this as root: $line"
        fi
        echo "autogen.sh: installing $*"
        trap drop_policy EXIT
        trap 'exit 1' HUP INT TERM
        if [ ! -e "$policy" ]; then
                policy_is_ours=yes
                printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
                as_root chmod 755 "$policy"
        fi
        # On a fresh machine the lists may be absent or stale.
        as_root apt-get update -qq || echo "autogen.sh: apt-get update failed, trying with the lists at hand" >&2
        set -- "$@" $(known $(missing $optional))
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 "$@" ||
                fail "could not install; try: $line"
        drop_policy
        stay_stopped "$@"
}

# Keeps the services of new packages from starting at the next boot.
stay_stopped()
{
        command -v systemctl >/dev/null || return 0
        for unit in $(dpkg -L "$@" 2>/dev/null | sed -n 's|.*/systemd/system/\([^/@]*\.service\)$|\1|p' | sort -u); do
                as_root systemctl disable --quiet "$unit" 2>/dev/null || :
        done
}

deps=
if [ "${1-}" = --deps ]; then
        deps=yes
        shift
fi

if ! command -v dpkg-query >/dev/null; then
        echo "autogen.sh: not a Debian system; needed are the equivalents of:" $build $tests >&2
else
        need=$(missing $build) want="$(missing $tests)$(known $(missing $optional))"
        if [ -n "$need$want" ]; then
                if [ -n "$deps" ]; then
                        install_packages $need $want
                else
                        echo "autogen.sh: packages are missing, install them with ./autogen.sh --deps or:" >&2
                        echo "apt-get install -y --no-install-recommends $need$want" | sed 's/ $//' >&2
                        [ -z "$need" ] || exit 1
                fi
        fi
fi

(cd "$src" && autoreconf --force --install --warnings=all,no-portability) || fail "autoreconf failed"
if [ "$src" = "$(pwd)" ]; then
        exec ./configure "$@"
fi
exec "$src/configure" "$@"
