#include "scim/fault.h"

#define RETRY_AFTER_S 5

int scim_fault_status(const struct err *err)
{
	return err_class(err->code)->http_status;
}

int scim_fault_retry_s(const struct err *err)
{
	const struct err_class *c = err_class(err->code);
	bool busy = c->http_status == 503 || c->http_status == 429;

	return busy && c->retry == RETRY_LATER ? RETRY_AFTER_S : 0;
}

void scim_fault_body(struct buf *into, const struct err *err, const char *request_id)
{
	const struct err_class *c = err_class(err->code);

	buf_addf(into, "{\"schemas\":[\"%s\"],\"status\":\"%d\"", SCIM_ERROR_URN,
		 c->http_status);
	if (c->scim_type)
		buf_addf(into, ",\"scimType\":\"%s\"", c->scim_type);
	buf_add_text(into, ",\"detail\":");
	if (c->http_status < 500 || err->code == ERR_NOT_SUPPORTED)
		buf_add_json(into, str_of(err->text));
	else if (c->retry == RETRY_LATER)
		buf_addf(into,
			 "\"The server cannot do this at the moment; try again. Its log knows "
			 "the cause under %s.\"",
			 request_id ? request_id : "this time");
	else
		buf_addf(into,
			 "\"The server failed; trying again will not help. Its log knows the "
			 "cause under %s.\"",
			 request_id ? request_id : "this time");
	buf_add_char(into, '}');
}
