/*
 * The log: one event, one line on stderr, a stable name first.
 *
 *     log_info("apply.done", LOG_U("round", 41), LOG_U("failed", 0), LOG_T("took", text));
 *
 * logfmt or JSON by configuration; under journald ($JOURNAL_STREAM) lines carry a "<N>"
 * priority and no time. Levels say who acts: error an operator now, warn soon, info nobody,
 * debug us. No secret ever; no personal data above debug. Values are quoted and control
 * characters escaped, so a hostile value cannot make a line. Thread-safe; a line is one
 * write(2).
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdint.h>

#include "base/err.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_form { LOG_FORM_LOGFMT, LOG_FORM_JSON };

struct log_field {
	const char *key;
	enum { LOG_FIELD_TEXT, LOG_FIELD_INT, LOG_FIELD_UINT, LOG_FIELD_BOOL } type;
	const char *text;
	int64_t number;
};

#define LOG_T(k, v) ((struct log_field){ (k), LOG_FIELD_TEXT, (v), 0 })
#define LOG_I(k, v) ((struct log_field){ (k), LOG_FIELD_INT, NULL, (int64_t)(v) })
#define LOG_U(k, v) ((struct log_field){ (k), LOG_FIELD_UINT, NULL, (int64_t)(v) })
#define LOG_B(k, v) ((struct log_field){ (k), LOG_FIELD_BOOL, NULL, (v) })
/* A fault: its word and its sentence become error= and text=. */
#define LOG_E(e) LOG_T("error", err_class((e)->code)->word), LOG_T("text", (e)->text)

/* Set once at start and on reload. fd is where lines go (2 by default). */
void log_setup(enum log_level level, enum log_form form, int fd);
bool log_wants(enum log_level level);

void log_event(enum log_level level, const char *event, const struct log_field *fields,
	       size_t count);

#define LOG_CALL(level, event, ...)                                                            \
	do {                                                                                   \
		if (log_wants(level)) {                                                        \
			const struct log_field fields_[] = { { 0 }, ##__VA_ARGS__ };           \
			log_event(level, event, fields_ + 1, COUNT_OF(fields_) - 1);           \
		}                                                                              \
	} while (0)

#define log_error(event, ...) LOG_CALL(LOG_LEVEL_ERROR, event, ##__VA_ARGS__)
#define log_warn(event, ...) LOG_CALL(LOG_LEVEL_WARN, event, ##__VA_ARGS__)
#define log_info(event, ...) LOG_CALL(LOG_LEVEL_INFO, event, ##__VA_ARGS__)
#define log_debug(event, ...) LOG_CALL(LOG_LEVEL_DEBUG, event, ##__VA_ARGS__)

#endif
