/* large.c - a large plugin with much live memory: SQLite, and a table of 8 MiB in it; with a path that traps.
 *
 * A request is one SELECT by key. */
#include "trap.h"

#include "sqlite3.h"

enum { ROWS = 2048, ROW_BYTES = 4096 };

struct root {
    struct wp_root wp;
    sqlite3 *db;
    sqlite3_stmt *find;
};

struct stream {
    struct wp_stream wp;
};

WP_PLUGIN(struct root, struct stream)

/* There is no file system below it: what a database in memory needs, and no more. */
static int open_nothing(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
    return SQLITE_CANTOPEN;
}

static int no_randomness(sqlite3_vfs *vfs, int bytes, char *out)
{
    return 0;
}

int sqlite3_os_init(void)
{
    static sqlite3_vfs none = {.iVersion = 1,
                               .szOsFile = sizeof(sqlite3_file),
                               .mxPathname = 64,
                               .zName = "none",
                               .xOpen = open_nothing,
                               .xRandomness = no_randomness};
    return sqlite3_vfs_register(&none, 1);
}

int sqlite3_os_end(void)
{
    return SQLITE_OK;
}

static bool fill(sqlite3 *db)
{
    sqlite3_stmt *insert;
    bool ok = sqlite3_exec(db, "CREATE TABLE t (k INTEGER PRIMARY KEY, v BLOB)", 0, 0, 0) == SQLITE_OK &&
              sqlite3_prepare_v2(db, "INSERT INTO t VALUES (?, randomblob(?))", -1, &insert, 0) == SQLITE_OK;
    for (int i = 0; ok && i < ROWS; i++) {
        sqlite3_bind_int(insert, 1, i);
        sqlite3_bind_int(insert, 2, ROW_BYTES);
        ok = sqlite3_step(insert) == SQLITE_DONE && sqlite3_reset(insert) == SQLITE_OK;
    }
    return ok && sqlite3_finalize(insert) == SQLITE_OK;
}

static bool configure(struct root *root, struct wp_str config)
{
    (void)config;
    return sqlite3_open(":memory:", &root->db) == SQLITE_OK && fill(root->db) &&
           sqlite3_prepare_v2(root->db, "SELECT length(v) FROM t WHERE k = ?", -1, &root->find, 0) ==
               SQLITE_OK;
}

static enum wp_action request_headers(struct stream *s, uint32_t count, bool end_of_stream)
{
    static int key;
    const struct root *root = wp_root_of(s);
    (void)count;
    (void)end_of_stream;
    sqlite3_bind_int(root->find, 1, key++ % ROWS);
    bool found = sqlite3_step(root->find) == SQLITE_ROW && sqlite3_column_int(root->find, 0) == ROW_BYTES;
    sqlite3_reset(root->find);
    return found ? WP_CONTINUE : WP_PAUSE;
}

WP_ON_CONFIGURE(configure)
WP_ON_REQUEST_HEADERS(request_headers)
