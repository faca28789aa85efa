/*
 * scram.c - keys from passwords, and their form as text
 */
#include "xmppd/user/scram.h"

#include "shared/base/mem.h"
#include "shared/base/random.h"
#include "shared/base/text.h"
#include "shared/xmpp/saslprep.h"

#include <string.h>

static const char *const prefixes[] = { [DIGEST_SHA1] = "SCRAM-SHA-1$", [DIGEST_SHA256] = "SCRAM-SHA-256$" };

/* RFC 5802, 3: StoredKey = H(HMAC(SaltedPassword, "Client Key")), ServerKey = HMAC(SaltedPassword, "Server Key"). */
static void
derive(struct scram_keys *keys, enum digest digest, const char *prepared)
{
        unsigned char salted[DIGEST_MAX], client_key[DIGEST_MAX];
        size_t size = digest_size(digest);

        digest_pbkdf2(digest, prepared, strlen(prepared), keys->salt, keys->salt_len, (int)keys->rounds, salted);
        digest_hmac(digest, salted, size, "Client Key", 10, client_key);
        digest_of(digest, client_key, size, keys->stored_key);
        digest_hmac(digest, salted, size, "Server Key", 10, keys->server_key);
        mem_wipe(salted, sizeof(salted));
        mem_wipe(client_key, sizeof(client_key));
}

bool
scram_derive_salted(struct scram_keys *keys, enum digest digest, const char *password, const void *salt, size_t salt_len)
{
        char prepared[PASSWORD_MAX + 1];

        *keys = (struct scram_keys){ 0 };
        if (salt_len == 0 || salt_len > SCRAM_SALT_MAX || !saslprep(prepared, password, strlen(password)))
                return false;
        keys->rounds = SCRAM_ROUNDS;
        keys->salt_len = (uint8_t)salt_len;
        memcpy(keys->salt, salt, salt_len);
        derive(keys, digest, prepared);
        mem_wipe(prepared, sizeof(prepared));
        return true;
}

bool
scram_derive(struct scram_keys *keys, enum digest digest, const char *password)
{
        unsigned char salt[SCRAM_SALT];

        random_bytes(salt, sizeof(salt));
        return scram_derive_salted(keys, digest, password, salt, sizeof(salt));
}

bool
scram_check(const struct scram_keys *keys, enum digest digest, const char *password, size_t len)
{
        char prepared[PASSWORD_MAX + 1] = "";
        struct scram_keys given = { .rounds = keys->rounds, .salt_len = keys->salt_len };

        /* What cannot be a password is derived too, so that it takes as long. */
        bool is_text = saslprep(prepared, password, len);
        memcpy(given.salt, keys->salt, sizeof(given.salt));
        derive(&given, digest, prepared);
        bool is_equal = mem_equal_secret(given.stored_key, keys->stored_key, digest_size(digest));
        mem_wipe(prepared, sizeof(prepared));
        mem_wipe(&given, sizeof(given));
        return is_text && is_equal;
}

char *
scram_format(struct arena *arena, const struct scram_keys *keys, enum digest digest)
{
        char salt[SCRAM_SALT_MAX * 2], stored[DIGEST_MAX * 2], server[DIGEST_MAX * 2];
        size_t size = digest_size(digest);

        text_base64(salt, keys->salt, keys->salt_len);
        text_base64(stored, keys->stored_key, size);
        text_base64(server, keys->server_key, size);
        return arena_printf(arena, "%s%u:%s$%s:%s", prefixes[digest], keys->rounds, salt, stored, server);
}

/* Decodes text up to the first `stop` (or its end) and moves behind it; -1 if that is not base64 or longer than room. */
static int64_t
take_base64(unsigned char *out, size_t room, const char **text, char stop)
{
        size_t len = 0;

        while ((*text)[len] != '\0' && (*text)[len] != stop)
                len++;
        if ((*text)[len] != stop || len / 4 * 3 > room + 2)
                return -1;
        unsigned char bytes[SCRAM_SALT_MAX + 2];
        int64_t n = len / 4 * 3 > sizeof(bytes) ? -1 : text_unbase64(bytes, *text, len);
        if (n < 0 || (size_t)n > room)
                return -1;
        memcpy(out, bytes, (size_t)n);
        *text += len + (stop != '\0');
        return n;
}

bool
scram_parse(struct scram_keys *keys, enum digest *digest, const char *text)
{
        *keys = (struct scram_keys){ 0 };
        if (text_starts(text, prefixes[DIGEST_SHA1]))
                *digest = DIGEST_SHA1;
        else if (text_starts(text, prefixes[DIGEST_SHA256]))
                *digest = DIGEST_SHA256;
        else
                return false;
        text += strlen(prefixes[*digest]);

        char rounds[8];
        size_t digits = strspn(text, "0123456789");
        if (digits == 0 || digits >= sizeof(rounds) || text[digits] != ':')
                return false;
        memcpy(rounds, text, digits);
        rounds[digits] = '\0';
        int64_t number = text_number(rounds, SCRAM_ROUNDS_MAX);
        if (number < 1)
                return false;
        keys->rounds = (uint32_t)number;
        text += digits + 1;

        int64_t size = (int64_t)digest_size(*digest);
        int64_t salt_len = take_base64(keys->salt, sizeof(keys->salt), &text, '$');
        if (salt_len < 1)
                return false;
        keys->salt_len = (uint8_t)salt_len;
        return take_base64(keys->stored_key, sizeof(keys->stored_key), &text, ':') == size &&
                take_base64(keys->server_key, sizeof(keys->server_key), &text, '\0') == size;
}
