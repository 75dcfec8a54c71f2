#include "db/migrate.h"

#include <assert.h>
#include <stdlib.h>

#include "db/driver.h"
#include "db/migrations.h" /* made by tools/embed.c */

int
migrate_latest(void)
{
    return (int)COUNT(migrations);
}

static enum error_code
newer(int version, struct error *err)
{
    return error_set(err, ERR_CONFLICT,
                     "the database has schema version %d and this program "
                     "knows versions up to %d: use a newer nelm",
                     version, migrate_latest());
}

enum error_code
migrate_version(struct db *db, int *ret, struct error *err)
{
    struct db_tx *tx = NULL;
    int version = 0;
    enum error_code rc = db_read_begin(db, &tx, err);

    if (rc == ERR_OK)
        rc = db->driver->version(tx, &version, err);
    db_read_end(tx);
    if (rc == ERR_OK)
        *ret = version;
    return rc;
}

struct step {
    int target;
    db_work *finish;
    int found; /* version before the step */
};

/* One step at most. A long write sees what others committed while it waited for
 * its turn. Inside the transaction nobody else takes the same one. */
static enum error_code
take_step(struct db_tx *tx, void *context, struct error *err)
{
    struct step *step = context;
    enum error_code rc = tx->driver->version(tx, &step->found, err);

    if (rc != ERR_OK || step->found == step->target)
        return rc;
    if (step->found > migrate_latest())
        return newer(step->found, err);
    if (step->found > step->target)
        return error_set(err, ERR_CONFLICT,
                         "the database has schema version %d already and %d "
                         "is asked for: give one that is not there yet",
                         step->found, step->target);
    /* Files are given in the order of their numbers, 0001 first. */
    assert(strtol(migrations[step->found].name, NULL, 10) == step->found + 1);
    rc = tx->driver->migrate(tx, step->found + 1, migrations[step->found].name,
                             migrations[step->found].data, err);
    if (rc == ERR_OK && step->finish && step->found + 1 == migrate_latest())
        rc = step->finish(tx, NULL, err);
    return rc;
}

static enum error_code
take_steps(struct db *db, struct step *step, int *ret_from, struct error *err)
{
    int from = -1;

    do {
        enum error_code rc = db_write_long(db, take_step, step, err);

        if (rc != ERR_OK)
            return rc;
        if (from < 0)
            from = step->found;
    } while (step->found < step->target);
    if (ret_from != NULL)
        *ret_from = from;
    return ERR_OK;
}

enum error_code
migrate_run(struct db *db, db_work *finish, int *ret_from, struct error *err)
{
    struct step step = {.target = migrate_latest(), .finish = finish};

    return take_steps(db, &step, ret_from, err);
}

enum error_code
migrate_make(struct db *db, int version, struct error *err)
{
    struct step step = {.target = version};

    return take_steps(db, &step, NULL, err);
}

enum error_code
migrate_check(struct db *db, struct error *err)
{
    int version = 0;
    enum error_code rc = migrate_version(db, &version, err);

    if (rc != ERR_OK || version == migrate_latest())
        return rc;
    if (version > migrate_latest())
        return newer(version, err);
    return error_set(err, ERR_CONFLICT,
                     "the database has schema version %d and this program "
                     "needs version %d: run \"nelm migrate --database URL\"",
                     version, migrate_latest());
}
