/*
 * The foreign server: it plays the domains d0.<remote>, d1.<remote> and so on,
 * over a stream of its own in each direction, as servers without XEP-0288 do
 * (RFC 6120; SASL EXTERNAL by XEP-0178, else dialback by XEP-0220). It believes
 * whatever the server under test says of itself: what is measured is how the
 * server finds, opens, proves and uses a stream.
 */
#include "xload.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct remote remote;

#define HEADER                                                                                   \
    "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' " \
    "xmlns:stream='http://etherx.jabber.org/streams' version='1.0' from='%s' to='%s'"

static void domain_name(const struct conn *c, char *name, size_t size)
{
    snprintf(name, size, "d%d.%s", c->user, opt.remote);
}

/* True if the stream is over. */
static bool over(struct conn *c, const char *xml, size_t n)
{
    if (!xml_is(xml, n, "stream:error") && xml[1] != '/')
        return false;
    char text[160];
    snprintf(text, sizeof text, "stream closed: %.*s", (int)(n < 120 ? n : 120), xml);
    conn_fail(c, text);
    return true;
}

static void up(struct conn *c, int *streams)
{
    c->step = STEP_READY;
    c->online_at = now_ns();
    (*streams)++;
}

/* ---- streams that the server opens ---------------------------------------- */

static void accept_header(struct conn *c)
{
    c->scan.depth = 0;
    c->step = STEP_FEATURES;
}

static void answer_header(struct conn *c, const char *xml, size_t n)
{
    static int id;
    char from[256] = "", to[256] = "";
    const char *tag = memmem(xml, n, "<stream:stream", 14);
    if (!tag || !xml_attr(tag, (size_t)(xml + n - tag), "to", to, sizeof to)) {
        conn_fail(c, "a stream header for nobody");
        return;
    }
    xml_attr(tag, (size_t)(xml + n - tag), "from", from, sizeof from);
    if (sscanf(to, "d%d.", &c->user) != 1)
        c->user = -1;
    conn_printf(c, HEADER " id='s%d'>", to, from, ++id);
    if (!c->ssl && opt.tls != TLS_NONE)
        conn_printf(c, "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>");
    else if (c->authenticated)
        conn_printf(c, "<stream:features/>");
    else
        conn_printf(c, "<stream:features>%s<dialback xmlns='urn:xmpp:features:dialback'/></stream:features>",
                    opt.dialback || !c->ssl ? "" : "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>");
    c->step = STEP_SUCCESS;
    if (c->authenticated)
        up(c, &remote.in);
}

static void answer_dialback(struct conn *c, const char *xml, size_t n)
{
    char from[256] = "", to[256] = "", id[128] = "";
    xml_attr(xml, n, "from", from, sizeof from);
    xml_attr(xml, n, "to", to, sizeof to);
    if (xml_is(xml, n, "db:verify")) {
        xml_attr(xml, n, "id", id, sizeof id);
        conn_printf(c, "<db:verify from='%s' to='%s' id='%s' type='valid'/>", to, from, id);
    } else {
        conn_printf(c, "<db:result from='%s' to='%s' type='valid'/>", to, from);
        if (c->step != STEP_READY)
            up(c, &remote.in);
    }
}

static void take_from_server(struct conn *c, const char *xml, size_t n)
{
    if (over(c, xml, n))
        return;
    if (c->step == STEP_FEATURES) {
        answer_header(c, xml, n);
    } else if (xml_is(xml, n, "starttls")) {
        conn_printf(c, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
        conn_flush(c);
        conn_start_tls(c);
    } else if (xml_is(xml, n, "auth")) {
        conn_printf(c, "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
        c->authenticated = true;
        accept_header(c);
    } else if (xml_is(xml, n, "db:result") || xml_is(xml, n, "db:verify")) {
        answer_dialback(c, xml, n);
    } else if (remote.on_stanza) {
        remote.on_stanza(c, xml, n);
    }
}

static void in_ended(struct conn *c)
{
    remote.in -= c->step == STEP_READY;
}

void remote_listen(void)
{
    static struct edge edge = {.begin = accept_header, .unit = take_from_server, .ended = in_ended};
    edge.tls_first = opt.tls == TLS_DIRECT;
    conn_listen(opt.listen, &edge);
}

/* ---- streams that we open -------------------------------------------------- */

static void send_header(struct conn *c)
{
    char name[256];
    domain_name(c, name, sizeof name);
    c->scan.depth = 0;
    c->step = STEP_FEATURES;
    conn_printf(c, HEADER ">", name, opt.domain);
    conn_flush(c);
}

static void on_features(struct conn *c, const char *xml, size_t n)
{
    char name[256];
    domain_name(c, name, sizeof name);
    if (!c->ssl && opt.tls != TLS_NONE) {
        c->step = STEP_PROCEED;
        conn_printf(c, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    } else if (c->authenticated) {
        up(c, &remote.out);
    } else if (!opt.dialback && xml_has(xml, n, ">EXTERNAL<")) {
        unsigned char text[400];
        EVP_EncodeBlock(text, (unsigned char *)name, (int)strlen(name));
        c->step = STEP_SUCCESS;
        conn_printf(c, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>%s</auth>", text);
    } else {
        c->step = STEP_PRESENCE;
        conn_printf(c, "<db:result from='%s' to='%s'>a-key-for-d%d</db:result>", name, opt.domain, c->user);
    }
}

static void take_answer(struct conn *c, const char *xml, size_t n)
{
    char type[16];
    if (over(c, xml, n) || xml[1] == '?' || xml_is(xml, n, "stream:stream"))
        return;
    if (c->step == STEP_FEATURES && xml_is(xml, n, "stream:features")) {
        on_features(c, xml, n);
    } else if (c->step == STEP_PROCEED && xml_is(xml, n, "proceed")) {
        conn_start_tls(c);
    } else if (c->step == STEP_SUCCESS && xml_is(xml, n, "success")) {
        c->authenticated = true;
        send_header(c);
    } else if (c->step == STEP_PRESENCE && xml_is(xml, n, "db:result")) {
        if (xml_attr(xml, n, "type", type, sizeof type) && !strcmp(type, "valid"))
            up(c, &remote.out);
        else
            conn_fail(c, "dialback failed");
    } else if (c->step != STEP_READY) {
        conn_fail(c, "the server does not let us in");
    }
}

static void out_ended(struct conn *c)
{
    remote.out -= c->step == STEP_READY;
}

struct conn *remote_open(int domain)
{
    static struct edge edge = {.begin = send_header, .unit = take_answer, .ended = out_ended};
    edge.port = opt.s2s_port;
    struct conn *c = calloc(1, sizeof *c);
    c->edge = &edge;
    c->user = domain;
    conn_open(c);
    return c;
}
