#include "bridge/second.h"

#include "bridge/notices.h"

int second_tell(struct app *app, const char *key, const char *subject, struct str text,
		struct notices_held **ret, struct err *err)
{
	const struct config *c = &app->config;
	const char *to = app_acting(app)->approvals.second_address;
	const struct notices_bulletin b = {
		.key = key,
		.tells = "held",
		.kind = NOTICE_ALERT,
		.title = subject,
		.items = text,
		.count = 1,
	};

	if (!to || (!c->notices.folder && !c->notices.mail.server))
		return err_set(
			err, ERR_CONFIG,
			"nobody can be told, so nobody decides alone: set notices.mail (or "
			"notices.folder) and approvals.second_address");
	return notices_hold_one(app, &b, to, ret, err);
}
