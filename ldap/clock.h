/*
 * What time a directory takes it to be: its stamps are made with that clock, and Kerberos
 * refuses those that are five minutes off.
 */
#ifndef LDAP_CLOCK_H
#define LDAP_CLOCK_H

#include "ldap/session.h"

/* *ret is 0 where the server does not tell, or not to us. Faults: CANCELLED, NOMEM, and those
 * of the connection. */
int dir_clock_read(struct dir_session *s, int64_t *ret_ms, struct err *err) MUST_USE;

#endif
