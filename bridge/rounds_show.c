/* One entry of a directory, for whoever writes a map: `leaverd sync SOURCE --dry-run --show
 * DN`. */
#include "bridge/rounds.h"

#include "ldap/show.h"

int rounds_show(struct app *app, const struct config_source *source, const char *dn,
		const atomic_bool *cancel, json_t *out, struct err *err)
{
	CLEANUP(secret_done) struct secret password = { 0 };
	json_t *shown = NULL;
	int r;

	if (source->kind != CONFIG_LDAP)
		return err_set(err, ERR_USAGE,
			       "source %s is no directory: there is no entry to show",
			       source->name);
	r = rounds_directory_secrets(app, &source->ldap, &password, err);
	if (r == 0)
		r = dir_show(&source->ldap, password.p ? &password : NULL, dn, cancel, &shown,
			     err);
	if (r < 0)
		return err_context(err, r, "source %s", source->name);
	return jx_set(out, "shown", shown, err);
}
