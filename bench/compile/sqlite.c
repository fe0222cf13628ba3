/* bench/compile/sqlite.c - what keeps SQLite's parts reachable; there is no file system below it. */
#include "sqlite3.h"

int sqlite3_os_init(void)
{
    return SQLITE_OK;
}

int sqlite3_os_end(void)
{
    return SQLITE_OK;
}

__attribute__((export_name("query"))) int query(const char *sql)
{
    sqlite3 *db;
    int rc = sqlite3_open(":memory:", &db);
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(db, sql, 0, 0, 0);
    }
    sqlite3_close(db);
    return rc;
}
