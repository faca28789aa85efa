/* The reasons peers give, in words. */
#include "shared/base/mem.h"
#include "sipcomp/dialect/diagnostics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct sip_message *
response(int count, const char *const headers[][2])
{
        struct sip_message *request =
                sip_request_new("MESSAGE", "sip:carol@lync.test", NULL, "sip:alice@example.com", "sip:carol@lync.test");
        struct sip_message *answer = sip_response_new(request, 403, NULL, NULL);
        for (int i = 0; i < count; i++)
                sip_message_add(answer, headers[i][0], headers[i][1]);
        sip_message_free(&request);
        return answer;
}

static void
puts_what_is_said_into_words(void **state)
{
        static const struct {
                const char *header, *value, *text;
        } rows[] = {
                { "Ms-Diagnostics", "1008;source=\"edge.lync.test\";reason=\"Unable to resolve DNS SRV record\"",
                        "ms-diagnostics 1008: the partner's edge finds no SRV record for a domain" },
                { "ms-diagnostics-public", "1003;reason=\"User does not exist\"",
                        "ms-diagnostics-public 1003: there is no such user" },
                { "ms-diagnostics", "1003.5;source=\"x\"", "ms-diagnostics 1003: there is no such user" },
                { "ms-diagnostics", "31003;source=\"x\";reason=\"Called Number translated\"",
                        "ms-diagnostics 31003: \"Called Number translated\"" },
                { "Ms-client-diagnostics", "52035;reason=\"Dialog does not exist\"",
                        "ms-client-diagnostics 52035: the program of the user there takes it for a conversation it knows already" },
                { "Warning", "305 edge \"Incompatible media format\"",
                        "Warning 305: the other side takes none of the formats of text we offer" },
                { "Reason", "SIP;cause=486;text=\"Busy\\ Here\"", "Reason 486: \"Busy Here\"" },
                { "Reason", "Q.850", "Reason: \"Q.850\"" },
                { "ms-diagnostics", "no number", "ms-diagnostics: \"no number\"" },
                { "ms-diagnostics", "99999999999;reason=\"a\tb\"", "ms-diagnostics 999999: \"a b\"" },
                { "ms-diagnostics", "7;reason=\"without end", "ms-diagnostics 7: \"7;reason=\"without end\"" },
        };
        for (size_t i = 0; i < array_len(rows); i++) {
                const char *const headers[][2] = { { rows[i].header, rows[i].value } };
                struct sip_message *answer = response(1, headers);
                struct diagnostics found;
                char text[300];
                assert_true(diagnostics_read(&found, answer));
                diagnostics_text(text, sizeof text, &found);
                assert_string_equal(text, rows[i].text);
                sip_message_free(&answer);
        }
}

static void
takes_the_one_that_says_most(void **state)
{
        static const char *const headers[][2] = { { "Warning", "399 edge \"see elsewhere\"" },
                { "ms-diagnostics", "13004;reason=\"Request was proxied to one or more registered endpoints\"" },
                { "ms-diagnostics", "1002;reason=\"x\"" }, { "ms-diagnostics", "1010;reason=\"y\"" } };
        struct sip_message *answer = response(4, headers);
        struct diagnostics found;
        assert_true(diagnostics_read(&found, answer));
        assert_int_equal(found.id, 1002);
        assert_non_null(found.advice);
        sip_message_free(&answer);
        answer = response(0, NULL);
        assert_false(diagnostics_read(&found, answer));
        sip_message_free(&answer);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(puts_what_is_said_into_words),
                cmocka_unit_test(takes_the_one_that_says_most),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
