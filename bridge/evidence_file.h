/* `leaverd evidence`, the client's side: the pack as a folder and a tar, and its verification,
 * which needs no instance at all. */
#ifndef BRIDGE_EVIDENCE_FILE_H
#define BRIDGE_EVIDENCE_FILE_H

#include "bridge/cli.h"

int local_evidence(struct cli *cli, const json_t *request, struct err *err);
int local_evidence_verify(struct cli *cli, const json_t *request, struct err *err);

#endif
