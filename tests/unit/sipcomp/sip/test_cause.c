/* The table of causes is whole, and what it says is about the case at hand. */
#include "shared/base/mem.h"
#include "sipcomp/sip/cause.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void
each_cause_has_a_code_of_its_own_and_a_sentence(void **state)
{
        for (int i = 0; i < SIP_CAUSES; i++) {
                const struct sip_cause_row *row = sip_cause_row((enum sip_cause)i);
                assert_non_null(row->code);
                assert_non_null(row->sentence);
                assert_true(strlen(sip_step_name(row->step)) > 0);
                if (i != SIP_CAUSE_NONE && i != SIP_CAUSE_TURNED_AWAY) /* whose sentence ends with the cure */
                        assert_non_null(row->advice);
                for (int k = 0; k < i; k++)
                        assert_string_not_equal(row->code, sip_cause_row((enum sip_cause)k)->code);
        }
}

static void
they_follow_the_way(void **state)
{
        for (int i = SIP_CAUSE_NONE + 2; i < SIP_CAUSES; i++)
                assert_true(sip_cause_row((enum sip_cause)i)->step >= sip_cause_row((enum sip_cause)(i - 1))->step);
}

static void
words_stand_for_the_case(void **state)
{
        const struct sip_case whole = { "partner.com", "192.0.2.7", "edge.partner.com" }, bare = { 0 };
        struct buf text = { 0 };

        sip_cause_say(&text, SIP_CAUSE_NOT_ALLOWED, &whole, NULL);
        assert_string_equal(buf_text(&text),
                "the peer's certificate is edge.partner.com; no sip-peer allows it: "
                "add sip-peer \"edge.partner.com\" { domains = { \"partner.com\" } } to federation.conf "
                "(xmppctl sip-peer add edge.partner.com partner.com), if that is the partner's server");
        buf_free(&text);
        text = (struct buf){ 0 };
        sip_cause_say(&text, SIP_CAUSE_NO_ADDRESS, &whole, "NXDOMAIN");
        assert_non_null(strstr(buf_text(&text), "the hop has no address (NXDOMAIN): 192.0.2.7 must have"));
        buf_free(&text);
        text = (struct buf){ 0 };
        sip_cause_fill(&text, sip_cause_row(SIP_CAUSE_TLS_UNLIKE)->advice, &bare);
        assert_non_null(strstr(buf_text(&text), "sip-peer \"SUBJECT\" { domains = { \"DOMAIN\" } min-version = \"1.0\""));
        buf_free(&text);
}

static void
what_happened_has_a_name_here(void **state)
{
        assert_int_equal(sip_cause_of_connect("cannot connect: Connection refused"), SIP_CAUSE_REFUSED);
        assert_int_equal(sip_cause_of_connect("connection timed out"), SIP_CAUSE_SILENT);
        assert_int_equal(sip_cause_of_connect("cannot connect: Network is unreachable"), SIP_CAUSE_UNREACHABLE);
        assert_int_equal(sip_cause_of_handshake(NULL, "TLS: something"), SIP_CAUSE_TLS_FAILED);
        assert_int_equal(sip_cause_of_handshake(NULL, "closed by peer"), SIP_CAUSE_TLS_CLOSED);
        assert_int_equal(sip_cause_of_fault(TLS_FAULT_NONE), SIP_CAUSE_NONE);
        assert_int_equal(sip_cause_of_fault(TLS_FAULT_EXPIRED), SIP_CAUSE_EXPIRED);
        assert_int_equal(sip_cause_of_fault(TLS_FAULT_PURPOSE), SIP_CAUSE_PURPOSE);
        assert_int_equal(sip_cause_of_fault(TLS_FAULT_WEAK), SIP_CAUSE_BAD_CERTIFICATE);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_cause_has_a_code_of_its_own_and_a_sentence),
                cmocka_unit_test(they_follow_the_way),
                cmocka_unit_test(words_stand_for_the_case),
                cmocka_unit_test(what_happened_has_a_name_here),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
