/*
 * order.c - static routes
 */
#include "sipcomp/route/order.h"

#include "shared/base/mem.h"
#include "shared/base/text.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { HOPS_MAX = 32 };

static bool
put_label(char *out, size_t *len, const char *label, size_t label_len)
{
        if (label_len == 0 || *len + label_len + 1 > 255)
                return false;
        if (*len > 0)
                out[(*len)++] = '.';
        for (size_t i = 0; i < label_len; i++) {
                unsigned char c = (unsigned char)label[i];
                if (!isalnum(c) && c != '-' && c < 0x80)
                        return false;
                out[(*len)++] = (char)tolower(c);
        }
        out[*len] = '\0';
        return true;
}

bool
route_pattern_domain(char *out, const char *pattern)
{
        size_t len = 0, end = strlen(pattern);

        if (pattern[0] != '.') {
                for (const char *at = pattern;; at++) {
                        size_t label = strcspn(at, ".");
                        if (!put_label(out, &len, at, label))
                                return false;
                        at += label;
                        if (*at == '\0')
                                return true;
                }
        }
        if (end < 4 || strcmp(pattern + end - 2, ".*") != 0)
                return false;
        end -= 2; /* ".com.domaina" from behind */
        while (end > 0) {
                size_t start = end;
                while (start > 0 && pattern[start - 1] != '.')
                        start--;
                if (!put_label(out, &len, pattern + start, end - start))
                        return false;
                end = start - 1;
        }
        return len > 0;
}

static bool
covers(const char *route, const char *domain)
{
        size_t route_len = strlen(route), len = strlen(domain);

        if (route_len > len || strcasecmp(domain + len - route_len, route) != 0)
                return false;
        return route_len == len || domain[len - route_len - 1] == '.';
}

const struct static_route *
route_match(const struct static_route *routes, size_t count, const char *domain)
{
        const struct static_route *best = NULL;
        for (size_t i = 0; i < count; i++)
                if (covers(routes[i].domain, domain) && (best == NULL || strlen(routes[i].domain) > strlen(best->domain)))
                        best = &routes[i];
        return best;
}

/* One of the hops left with the lowest priority, drawn by weight: RFC 2782, with weight 0 having its small chance. */
static size_t
draw(const struct route_hop *const *left, size_t count, uint32_t (*below)(uint32_t n))
{
        uint16_t priority = UINT16_MAX;
        uint32_t sum = 0;

        for (size_t i = 0; i < count; i++)
                if (left[i]->priority < priority)
                        priority = left[i]->priority;
        for (size_t i = 0; i < count; i++)
                if (left[i]->priority == priority)
                        sum += left[i]->weight;
        uint32_t drawn = below(sum + 1), passed = 0;
        size_t last = 0;
        bool zeros = true; /* those of weight 0 stand in front */
        for (int round = 0; round < 2; round++, zeros = false) {
                for (size_t i = 0; i < count; i++) {
                        if (left[i]->priority != priority || (left[i]->weight == 0) != zeros)
                                continue;
                        passed += left[i]->weight;
                        last = i;
                        if (passed >= drawn)
                                return i;
                }
        }
        return last;
}

size_t
route_order(const struct route_hop *hops, size_t count, struct sip_hop *out, size_t room, uint32_t (*below)(uint32_t n))
{
        const struct route_hop *left[HOPS_MAX];
        size_t taken = 0;

        if (count > HOPS_MAX)
                count = HOPS_MAX;
        for (size_t i = 0; i < count; i++)
                left[i] = &hops[i];
        while (count > 0 && taken < room) {
                size_t i = draw(left, count, below);
                out[taken++] = left[i]->hop;
                memmove(&left[i], &left[i + 1], (--count - i) * sizeof(left[0]));
        }
        return taken;
}
