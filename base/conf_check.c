#include "base/conf_check.h"

void conf_check_bad(struct conf_check *c, const char *key, const char *format, ...)
{
	struct err e = { 0 };
	va_list args;

	va_start(args, format);
	err_vset(&e, ERR_CONFIG, format, args);
	va_end(args);
	if (c->r == 0) {
		(void)!err_set(&c->first, ERR_CONFIG, "%s: %s", key, e.text);
		c->r = -ERR_CONFIG;
	}
	if (c->faults && conf_fault(c->faults, c->mark, key, "%s", e.text) == -ERR_NOMEM)
		conf_check_nomem(c);
}

void conf_check_nomem(struct conf_check *c)
{
	c->r = -ERR_NOMEM;
}

int conf_check_end(const struct conf_check *c, struct err *err)
{
	if (c->r == -ERR_NOMEM)
		return err_nomem(err);
	if (c->r < 0 && err)
		*err = c->first;
	return c->r;
}
