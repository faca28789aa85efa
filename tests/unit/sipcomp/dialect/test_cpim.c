/*
 * message/cpim and IMDN: what is read, what is left alone, and that what we write is read again
 */
#include "sipcomp/dialect/cpim.h"

#include "shared/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
reads_what_is_asked_about_a_message(void **state)
{
        static const struct {
                const char *text, *id, *time, *body;
                bool wants, notification;
        } rows[] = {
                { "From: <im:a@b>\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: 34jk\r\nDateTime: 2006-04-04T12:16:49-05:00\r\n"
                  "imdn.Disposition-Notification: positive-delivery, negative-delivery\r\n\r\nContent-Type: text/plain\r\n\r\nHello",
                        "34jk", "2006-04-04T12:16:49-05:00", "Hello", true, false },
                { "NS: x <urn:ietf:params:imdn>\nx.Message-ID: 1\nx.Disposition-Notification: display, Positive-Delivery;p=q\n\nA: b\n\nB",
                        "1", "", "B", true, false },
                { "x.Message-ID: 1\r\nx.Disposition-Notification: positive-delivery\r\n\r\n\r\nB", "", "", "B", false, false },
                { "imdn.Message-ID: two words\r\nimdn.Disposition-Notification: positive-delivery-not\r\n\r\n\r\n", "", "", "",
                        false, false },
                { "imdn.Message-ID:\r\nno colon\r\n: x\r\n\r\nContent-type: Message/IMDN+xml;charset=UTF-8\r\n\r\n<imdn/>", "", "",
                        "<imdn/>", false, true },
                { "imdn.Message-ID: \x01\r\nDateTime: \xff\r\n\r\nContent-Type: text/plain", "", "", "", false, false },
        };
        for (size_t i = 0; i < array_len(rows); i++) {
                struct cpim cpim;
                assert_true(cpim_read(&cpim, rows[i].text, strlen(rows[i].text)));
                assert_string_equal(cpim.message_id, rows[i].id);
                assert_string_equal(cpim.date_time, rows[i].time);
                assert_int_equal(cpim.wants_delivery, rows[i].wants);
                assert_int_equal(cpim.is_notification, rows[i].notification);
                assert_int_equal(cpim.body_len, strlen(rows[i].body));
                assert_memory_equal(cpim.body, rows[i].body, cpim.body_len);
        }
        struct cpim cpim;
        assert_false(cpim_read(&cpim, NULL, 0));
        assert_false(cpim_read(&cpim, "From: x", 7));
        assert_false(cpim_read(&cpim, "From: x\r\n\r\n", 11));
}

#define DOCUMENT(inside) "<imdn xmlns=\"urn:ietf:params:xml:ns:imdn\"><message-id>id1</message-id>" inside "</imdn>"

static void
reads_the_fate_of_a_message(void **state)
{
        static const struct {
                const char *text;
                enum imdn_status status;
        } rows[] = {
                { DOCUMENT("<delivery-notification><status><delivered/></status></delivery-notification>"), IMDN_DELIVERED },
                { DOCUMENT("<delivery-notification><status><failed/></status></delivery-notification>"), IMDN_FAILED },
                { DOCUMENT("<delivery-notification><status><error/></status></delivery-notification>"), IMDN_FAILED },
                { DOCUMENT("<delivery-notification><status><forbidden/></status></delivery-notification>"), IMDN_FORBIDDEN },
                { DOCUMENT("<display-notification><status><displayed/></status></display-notification>"), IMDN_NOTHING },
                { DOCUMENT("<delivery-notification/>"), IMDN_NOTHING },
                { "<imdn><message-id>id1</message-id></imdn>", IMDN_NOTHING },
                { "<!DOCTYPE imdn [<!ENTITY a 'b'>]>" DOCUMENT(""), IMDN_NOTHING },
                { "", IMDN_NOTHING },
        };
        for (size_t i = 0; i < array_len(rows); i++) {
                char id[CPIM_ID_MAX + 1] = "";
                assert_int_equal(imdn_read(rows[i].text, strlen(rows[i].text), id), rows[i].status);
                if (rows[i].status != IMDN_NOTHING)
                        assert_string_equal(id, "id1");
        }
}

static void
reads_what_it_writes(void **state)
{
        struct buf out = { 0 };
        struct cpim cpim, about;
        char id[CPIM_ID_MAX + 1];

        cpim_write_text(&out, "sip:a@example.com", "sip:b@example.org", "abc", "2026-03-01T09:12:44.031Z", "x\r\ny", 4);
        assert_true(cpim_read(&about, buf_data(&out), out.len));
        assert_string_equal(about.message_id, "abc");
        assert_true(about.wants_delivery);
        assert_int_equal(about.body_len, 4);
        buf_clear(&out);
        strcpy(about.message_id, "<&>");
        cpim_write_delivered(&out, "sip:b@example.org", "sip:a@example.com", "n1", &about);
        assert_true(cpim_read(&cpim, buf_data(&out), out.len));
        assert_true(cpim.is_notification);
        assert_false(cpim.wants_delivery); /* RFC 5438 8: no notification of a notification */
        assert_int_equal(imdn_read(cpim.body, cpim.body_len, id), IMDN_DELIVERED);
        assert_string_equal(id, "<&>");
        buf_free(&out);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(reads_what_is_asked_about_a_message),
                cmocka_unit_test(reads_the_fate_of_a_message),
                cmocka_unit_test(reads_what_it_writes),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
