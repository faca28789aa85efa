/* sm_journal.h - the records of stream management in a worker's journal: native numbers, read again on the same machine only */
#ifndef XMPPD_USER_SM_JOURNAL_H
#define XMPPD_USER_SM_JOURNAL_H

#include <stdint.h>

enum sm_news {
        SM_STATE = 1,    /* followed by a struct sm_record as the store has it */
        SM_HANDLED = 3,  /* all up to here are handled */
        SM_SENT,         /* a stanza to the client; followed by struct sm_sent_note and its bytes */
        SM_ACKNOWLEDGED, /* all up to here have arrived */
        SM_END,          /* the journal need not know this session any longer */
};

struct sm_note {
        uint64_t id;    /* of the session */
        uint64_t count; /* of the stanza */
        uint32_t news;
        uint32_t origin_count; /* SM_SENT: see stanza.h */
};

struct sm_sent_note {
        int64_t when;    /* wall ms */
        uint64_t number; /* in the offline store */
        uint64_t origin;
};

#endif
