/*
 * A report as one HTML file: no network, no script. The chart is SVG in the page; colours
 * follow the reader's light or dark setting and the page prints in black on white. Pure.
 */
#ifndef BRIDGE_REPORT_HTML_H
#define BRIDGE_REPORT_HTML_H

#include "bridge/report_table.h"

/* answer: what the verb `report` answered. */
int report_html(const struct report *report, const json_t *answer, struct buf *into,
		struct err *err) MUST_USE;

/* Text as it may stand in an element or between quotes; control characters become blanks. */
void report_html_text(struct buf *into, struct str text);

#endif
