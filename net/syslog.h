/*
 * Messages for a log server: RFC 5424 with structured data, CEF inside of it, and the two ways
 * to hand them over: TLS with counted octets (RFC 5425, framing of RFC 6587 3.4.1), and the
 * datagram socket of this machine's own logger.
 *
 * The composing half is pure. A connection is for one thread at a time and may block as long as
 * its timeout for each call.
 */
#ifndef NET_SYSLOG_H
#define NET_SYSLOG_H

#include "base/buf.h"

#define SYSLOG_MESSAGE_MAX (128 * 1024) /* bytes; what is longer is refused by the composer */
#define SYSLOG_ID_MAX 32                /* of a MSGID (RFC 5424 6.2.7) */
#define SYSLOG_SERVER_MAX 300           /* bytes of "host:port" */
#define SYSLOG_TLS_PORT "6514"

/* --- composing --- */

/* Facility 13 ("log audit"), severity "notice" or, for what is damaged, "alert". */
enum syslog_severity { SYSLOG_ALERT = 1, SYSLOG_NOTICE = 5 };

struct syslog_message {
	enum syslog_severity severity;
	int64_t ms;
	const char *host; /* NULL or not printable ASCII: "-" */
	const char *process;
	const char *id;  /* MSGID; cut to SYSLOG_ID_MAX */
	struct str data; /* whole elements, as syslog_data_begin() makes them; empty: "-" */
	struct str text; /* UTF-8; empty: none */
};
/* Adds the message without a frame. Fault: TOO_LARGE. */
int syslog_compose(const struct syslog_message *m, struct buf *into, struct err *err) MUST_USE;

/* One element of structured data: begin, its values, end. Names are ours: plain ASCII. In a
 * value ", \ and ] are escaped (6.3.3); control characters become blanks. */
void syslog_data_begin(struct buf *into, const char *name, int64_t enterprise);
void syslog_data_value(struct buf *into, const char *name, struct str value);
void syslog_data_end(struct buf *into);

/* CEF: a field of the header (| and \ escaped, line ends become blanks), and name=value of the
 * extension with a blank before (= and \ escaped, line ends become \n and \r). */
void syslog_cef_field(struct buf *into, struct str value);
void syslog_cef_value(struct buf *into, const char *name, struct str value);

/* --- handing over --- */

struct syslog_options {
	const char *server;  /* host, host:port, [address]:port; port 6514 when left out */
	const char *ca_file; /* PEM: who may vouch for it; NULL: the system's authorities */
	const char *cert_file, *key_file; /* PEM: who we are; both or none */
	int64_t timeout_ms;
};

/* Whether server can be read as one. */
bool syslog_server_ok(const char *server);

struct syslog_conn;
/* Connects; the certificate must be valid and be for that host. Faults: TLS, NETWORK, naming
 * the server and why. */
int syslog_open(struct syslog_conn **ret, const struct syslog_options *options, struct err *err)
	MUST_USE;
/* One message, framed. It may stand in a buffer still. Fault: NETWORK, TLS. */
int syslog_send(struct syslog_conn *c, struct str message, struct err *err) MUST_USE;
/*
 * Waits until the other machine has taken all that was sent (its TCP said so), or a fault. The
 * protocol has no more to say: what that machine's program does with it nobody tells.
 */
int syslog_flush(struct syslog_conn *c, struct err *err) MUST_USE;
/*
 * Says that nothing more comes and waits, at most its timeout, for the other side to end the
 * connection too. True: it did, in order, and so its program has read all that was sent before.
 * Nothing can be sent after it, whatever it says.
 */
bool syslog_end(struct syslog_conn *c) MUST_USE;
void syslog_close(struct syslog_conn *c); /* says goodbye where it can */
OWNED(struct syslog_conn, syslog_close)

/* One message to a datagram socket, such as /dev/log. Fault: IO naming the path. */
int syslog_local(const char *path, struct str message, struct err *err) MUST_USE;

#endif
