/* What `leaverd bulk` does in its own process: the file goes in, the result file comes out. */
#ifndef BRIDGE_BULK_CLI_H
#define BRIDGE_BULK_CLI_H

#include "bridge/cli.h"

#define BULK_FILE_MAX (16u << 20) /* of a file, as UTF-8 */

/* "text": the characters of FILE ("-": stdin); "result": whether rows are to be answered. */
int prepare_bulk(struct cli *cli, json_t *request, struct err *err);
/* Writes --result, and takes it out of the answer. Also after a fault of the verb. */
int finish_bulk(struct cli *cli, json_t *answer, struct err *err);
int render_bulk(struct cli *cli, const json_t *out);

#endif
