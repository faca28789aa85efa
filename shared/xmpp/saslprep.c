/*
 * saslprep.c - the SASLprep profile, by libidn, behind an ASCII fast path
 */
#include "shared/xmpp/saslprep.h"

#include "shared/base/text.h"

#include <string.h>
#include <stringprep.h>

bool
saslprep(char *out, const char *text, size_t len)
{
        if (len == 0 || len > PASSWORD_MAX || !text_is_utf8(text, len) || memchr(text, '\0', len) != NULL)
                return false;
        memcpy(out, text, len);
        out[len] = '\0';

        bool is_ascii = true;
        for (size_t i = 0; i < len; i++) {
                unsigned char c = (unsigned char)text[i];
                if (c < 0x20 || c == 0x7f)
                        return false;
                is_ascii = is_ascii && c < 0x80;
        }
        /* Without the flag that forbids unassigned code points: libidn knows Unicode 3.2, and passwords with newer characters are real. */
        return is_ascii || (stringprep(out, PASSWORD_MAX + 1, 0, stringprep_saslprep) == STRINGPREP_OK && out[0] != '\0');
}
