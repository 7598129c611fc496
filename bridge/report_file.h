/* `leaverd report`, the client's side: one answer in four forms. */
#ifndef BRIDGE_REPORT_FILE_H
#define BRIDGE_REPORT_FILE_H

#include "bridge/cli.h"

int local_report(struct cli *cli, const json_t *request, struct err *err);

#endif
