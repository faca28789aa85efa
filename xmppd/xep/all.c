/*
 * all.c - what the server can do beyond the RFCs: the table of contents
 *
 * A new extension is one file here and one line in each of these lists; without its file and its line it is gone.
 */
#include "xmppd/xep/all.h"

extern const struct extension xep_0077_register, xep_0157_contact, xep_0478_limits;
extern const struct extension xep_0004_forms, xep_0012_last, xep_0016_privacy, xep_0059_rsm, xep_0049_private, xep_0054_vcard, xep_0115_caps,
        xep_0153_avatar;
extern const struct extension xep_0030_disco, xep_0092_version, xep_0160_offline, xep_0191_blocking, xep_0198_sm, xep_0199_ping,
        xep_0202_time, xep_0237_roster_version, xep_0280_carbons, xep_0334_hints, xep_0352_csi, xep_0359_stanza_ids;

const struct extension *const xep_all[] = {
        &xep_0004_forms,
        &xep_0012_last,
        &xep_0016_privacy,
        &xep_0030_disco,
        &xep_0049_private,
        &xep_0054_vcard,
        &xep_0059_rsm,
        &xep_0077_register,
        &xep_0092_version,
        &xep_0115_caps,
        &xep_0153_avatar,
        &xep_0157_contact,
        &xep_0160_offline,
        &xep_0191_blocking,
        &xep_0198_sm,
        &xep_0199_ping,
        &xep_0202_time,
        &xep_0237_roster_version,
        &xep_0280_carbons,
        &xep_0334_hints,
        &xep_0352_csi,
        &xep_0359_stanza_ids,
        &xep_0478_limits,
        NULL,
};
