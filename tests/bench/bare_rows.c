/*
 * The least that reading rows costs: every column of every row of some tables, looked at and
 * forgotten. The limit beside which a round that finds nothing changed is measured.
 *
 * usage: bare_rows DATABASE TABLE...
 *
 * Prints "rows N bytes N".
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

static void fail(sqlite3 *db, const char *what)
{
	fprintf(stderr, "bare_rows: %s: %s\n", what, sqlite3_errmsg(db));
	exit(1);
}

static void read_table(sqlite3 *db, const char *table, long *rows, long *bytes)
{
	sqlite3_stmt *stmt;
	char sql[128];
	int rc, columns;

	snprintf(sql, sizeof(sql), "SELECT * FROM \"%s\"", table);
	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
		fail(db, table);
	columns = sqlite3_column_count(stmt);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		for (int i = 0; i < columns; i++) {
			int type = sqlite3_column_type(stmt, i);

			if (type == SQLITE_INTEGER) {
				*bytes += sqlite3_column_int64(stmt, i) ? 8 : 1;
			} else if (type != SQLITE_NULL && sqlite3_column_blob(stmt, i)) {
				*bytes += sqlite3_column_bytes(stmt, i);
			}
		}
		++*rows;
	}
	if (rc != SQLITE_DONE)
		fail(db, table);
	sqlite3_finalize(stmt);
}

int main(int argc, char **argv)
{
	long rows = 0, bytes = 0;
	sqlite3 *db;

	if (argc < 3) {
		fprintf(stderr, "usage: bare_rows DATABASE TABLE...\n");
		return 2;
	}
	if (sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
		fail(db, argv[1]);
	for (int i = 2; i < argc; i++)
		read_table(db, argv[i], &rows, &bytes);
	sqlite3_close(db);
	printf("rows %ld bytes %ld\n", rows, bytes);
	return 0;
}
