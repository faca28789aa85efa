/* account_json.h - an account as one JSON object: a line of export and import, an answer to the administrator
 *
 *     {"jid":"juliet@capulet.example","name":"Juliet","mail":"j@capulet.example","created":1767225600000,"keys":["SCRAM-SHA-256$..."]}
 *
 * import takes "password" in place of "keys". Keys are written for export only.
 */
#ifndef XMPPD_USER_ACCOUNT_JSON_H
#define XMPPD_USER_ACCOUNT_JSON_H

#include "shared/base/err.h"
#include "shared/base/json.h"
#include "xmppd/user/account.h"

void account_write_json(struct json_writer *json, const struct account *account, bool with_keys);
/* Its members alone, without keys, for an object that holds more. */
void account_put_members(struct json_writer *json, const struct account *account);
/* Texts are the arena's. *password is NULL where the object has keys. id stays 0. -1 with what does not fit. */
int
account_read_json(const struct json *json, struct arena *arena, struct account *account, const char **password, struct err *err);

#endif
