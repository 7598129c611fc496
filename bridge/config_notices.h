/*
 * The sections `notices:`, `keep:` and `again:`: by what people and systems are told something,
 * in which words, where the pages are on which somebody keeps a seat, and who may ask for one
 * again.
 */
#ifndef BRIDGE_CONFIG_NOTICES_H
#define BRIDGE_CONFIG_NOTICES_H

#include "base/conf.h"

struct config; /* bridge/config.h */
struct notice_texts;

#define CONFIG_HOOKS_MAX 16
#define CONFIG_ISSUES_MAX 8

enum config_copy {
	CONFIG_COPY_NONE,
	CONFIG_COPY_MANAGER,
	CONFIG_COPY_SPONSOR,
	CONFIG_COPY_BOTH
};
enum config_issues_per { CONFIG_ISSUES_PLAN, CONFIG_ISSUES_ACTION };
enum config_hook_form { CONFIG_HOOK_JSON, CONFIG_HOOK_SLACK, CONFIG_HOOK_TEAMS };

/* What hooks and admins are told of; a hook names them in `tells`. */
extern const char *const config_tells_words[]; /* "warn", "held", "source", ..., NULL */

struct config_mail {
	struct conf_mark mark;
	char *server; /* NULL: no mail is sent */
	int tls;      /* enum mail_tls of net/mail.h */
	char *ca_file, *login, *password;
	char *from, *from_name, *reply_to;
	int64_t per_minute, timeout_ms;
};

struct config_hook {
	struct conf_mark mark;
	char *name;
	int form;               /* enum config_hook_form */
	char *url, *url_secret; /* exactly one; the second is a secret's name */
	char *key;              /* of the signature; JSON only */
	struct conf_list tells;
	char *ca_file, *proxy;
	int64_t per_minute;
};

/* Issues in a Jira project, about plans of the organisation that has the site. */
struct config_issues {
	struct conf_mark mark;
	char *name;
	char *site; /* host, as the organisation's sites have it */
	char *project, *type;
	struct conf_list labels;
	int per; /* enum config_issues_per */
	int64_t most;
	char *done; /* status that what is over is moved to; NULL: it is only commented */
	int64_t per_minute;
};

struct config_notices {
	struct conf_mark mark;
	char *folder; /* dry: all notices are written here, nothing is sent; absolute */
	char *templates;
	char *language;
	char *contact;
	int copy; /* enum config_copy */
	struct conf_list admins;
	char *digest;      /* "08:00", "off" */
	int digest_minute; /* made by the check: of the day; -1: off */
	int64_t retention_ms, give_up_ms;
	struct config_mail mail;
	struct conf_items hooks;  /* struct config_hook */
	struct conf_items issues; /* struct config_issues */
};

struct config_keep {
	struct conf_mark mark;
	char *url;    /* NULL: there are no links */
	char *listen; /* NULL: on the SCIM server */
	char *tls_cert, *tls_key;
	int64_t for_ms;
};

enum config_again_approve { CONFIG_AGAIN_PERSON, CONFIG_AGAIN_RULE };

struct config_again {
	struct conf_mark mark;
	struct conf_list domains,
		groups; /* who may ask; both empty: nobody is offered a link */
	int approve;    /* enum config_again_approve */
	int64_t for_ms;
};

extern const struct conf_key config_notices_keys[];
extern const struct conf_key config_keep_keys[];
extern const struct conf_key config_again_keys[];

/* What rows cannot say. Reads the templates into *ret too, with their faults; NULL where memory
 * was lost. */
void config_notices_check(struct config *c, struct conf_faults *faults,
			  struct notice_texts **ret);

const struct config_hook *config_hook_at(const struct config_notices *n, size_t i);
bool config_hook_tells(const struct config_hook *h, const char *what);
const struct config_issues *config_issues_at(const struct config_notices *n, size_t i);

#endif
