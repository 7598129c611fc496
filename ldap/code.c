#include "ldap/code.h"

#include <ldap.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

#define LDAP_E_SYNC_REFRESH 0x1000 /* RFC 4533 section 2.5 */

/* clang-format off */
static const struct dir_code codes[] = {
	{ LDAP_OPERATIONS_ERROR,     ERR_REMOTE,       false, "operationsError",
	  "a page cookie of another connection, or a search before the bind: look into the server's log" },
	{ LDAP_PROTOCOL_ERROR,       ERR_PROTOCOL,     false, "protocolError",
	  "the server did not understand the request: look into its log" },
	{ LDAP_TIMELIMIT_EXCEEDED,   ERR_INCOMPLETE,   false, "timeLimitExceeded",
	  "raise the server's time limit for the bind account" },
	{ LDAP_SIZELIMIT_EXCEEDED,   ERR_INCOMPLETE,   false, "sizeLimitExceeded",
	  "raise the server's size limit for the bind account" },
	{ LDAP_PARTIAL_RESULTS,      ERR_INCOMPLETE,   false, "partialResults",
	  "the server knows only a part: ask the one that holds all" },
	{ LDAP_STRONG_AUTH_REQUIRED, ERR_TLS,          false, "strongerAuthRequired",
	  "the server wants TLS: use ldaps:// or tls: require" },
	{ LDAP_REFERRAL,             ERR_INCOMPLETE,   false, "referral",
	  "the base is held by another server: give that one's URL" },
	{ LDAP_ADMINLIMIT_EXCEEDED,  ERR_INCOMPLETE,   false, "adminLimitExceeded",
	  "raise the server's limits for the bind account, or lower page_size" },
	{ LDAP_UNAVAILABLE_CRITICAL_EXTENSION, ERR_NOT_SUPPORTED, false, "unavailableCriticalExtension",
	  "the server cannot page: allow_unpaged reads without pages" },
	{ LDAP_CONFIDENTIALITY_REQUIRED, ERR_TLS,      false, "confidentialityRequired",
	  "the server wants TLS: use ldaps:// or tls: require" },
	{ LDAP_NO_SUCH_OBJECT,       ERR_NOT_FOUND,    false, "noSuchObject",
	  "the base was moved or renamed, or is hidden from the bind account" },
	{ LDAP_INVALID_DN_SYNTAX,    ERR_CONFIG,       false, "invalidDNSyntax",
	  "check the spelling of base and bind_dn" },
	{ LDAP_INAPPROPRIATE_AUTH,   ERR_UNAUTHORIZED, false, "inappropriateAuthentication",
	  "the bind account has no password of this kind" },
	{ LDAP_INVALID_CREDENTIALS,  ERR_UNAUTHORIZED, false, "invalidCredentials",
	  "check bind_dn, and set the password again with leaverd secret set" },
	{ LDAP_INSUFFICIENT_ACCESS,  ERR_FORBIDDEN,    false, "insufficientAccessRights",
	  "give the bind account the right to read below the base" },
	{ LDAP_BUSY,                 ERR_BUSY,         true,  "busy",
	  "the next round tries again" },
	{ LDAP_UNAVAILABLE,          ERR_UNAVAILABLE,  true,  "unavailable",
	  "the server is stopping or starting: the next round tries again" },
	{ LDAP_UNWILLING_TO_PERFORM, ERR_REMOTE,       false, "unwillingToPerform",
	  "look into the server's log" },
	{ LDAP_OTHER,                ERR_REMOTE,       false, "other",
	  "look into the server's log" },
	{ LDAP_E_SYNC_REFRESH,       ERR_INCOMPLETE,   false, "e-syncRefreshRequired",
	  "the server wants a read from the beginning" },
	{ LDAP_SERVER_DOWN,          ERR_NETWORK,      true,  "connection lost",
	  "check network, firewall and server" },
	{ LDAP_LOCAL_ERROR,          ERR_INTERNAL,     false, "local error", NULL },
	{ LDAP_ENCODING_ERROR,       ERR_INTERNAL,     false, "encoding error", NULL },
	{ LDAP_DECODING_ERROR,       ERR_PROTOCOL,     true,  "decoding error",
	  "what came was not LDAP, or longer than max_message" },
	{ LDAP_TIMEOUT,              ERR_TIMEOUT,      true,  "timed out",
	  "check network and server, or raise answer_timeout" },
	{ 85,                        ERR_TIMEOUT,      true,  "timed out",
	  "check network and server, or raise answer_timeout" },
	{ LDAP_FILTER_ERROR,         ERR_CONFIG,       false, "bad filter",
	  "check filter in the settings" },
	{ LDAP_PARAM_ERROR,          ERR_CONFIG,       false, "bad parameter", NULL },
	{ LDAP_NO_MEMORY,            ERR_NOMEM,        false, "out of memory", NULL },
	{ LDAP_CONNECT_ERROR,        ERR_NETWORK,      true,  "cannot connect",
	  "check address, network, firewall and server" },
	{ LDAP_NOT_SUPPORTED,        ERR_NOT_SUPPORTED, false, "not supported", NULL },
};
/* clang-format on */

static const struct dir_code stranger = { 0, ERR_REMOTE, false, "an unexpected result",
					  "look into the server's log" };

const struct dir_code *dir_code(int code)
{
	for (size_t i = 0; i < COUNT_OF(codes); i++)
		if (codes[i].code == code)
			return &codes[i];
	return &stranger;
}

/* The server's words may be long and may hold anything: they go into one line of a log. */
static void words_clean(const char *from, char *ret, size_t room)
{
	size_t n = 0;

	for (; from && *from && n < room - 1; from++)
		ret[n++] = (unsigned char)*from < ' ' || *from == 0x7F ? ' ' : *from;
	while (n > 0 && ret[n - 1] == ' ')
		n--;
	ret[n] = '\0';
	while (n > 0 && !str_utf8(str_n(ret, n), NULL))
		ret[--n] = '\0';
}

int dir_code_fault(int code, const char *diagnostic, struct err *err, const char *what, ...)
{
	const struct dir_code *row = dir_code(code);
	char words[120], where[240];
	va_list args;

	va_start(args, what);
	vsnprintf(where, sizeof(where), what, args);
	va_end(args);
	words_clean(diagnostic, words, sizeof(words));
	return err_set(err, row->fault, "%s: %s (%d)%s%s%s%s", where, row->name, code,
		       words[0] ? ": " : "", words, row->way_out ? "; " : "",
		       row->way_out ? row->way_out : "");
}
