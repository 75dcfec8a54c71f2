/* A CSV file into a source that has people and attributes of its own. What
 * checking it says is what writing it says, whatever the lines are; and what
 * is left when the bad lines are taken out has none. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/fixture.h"
#include "core/import.h"
#include "core/reject.h"
#include "fuzz.h"

static struct fixture fixture;

static void
remove_fixture(void)
{
    fixture_done(&fixture);
}

static void
set_up(void)
{
    const char *const joe[FIELD_TEXTS] = {"joe", "Jo",      "E",
                                          "j@x", "+1 5550", "boss"};

    if (fixture.db != NULL)
        return;
    fixture_init(&fixture);
    fixture_attribute(&fixture, &fixture.source, "badge");
    fixture_attribute(&fixture, &fixture.source, "team");
    fixture_record(&fixture, &fixture.source, joe, NULL);
    atexit(remove_fixture);
}

static struct import_options
options(void)
{
    return (struct import_options){.source_id = fixture.source.id,
                                   .unguard = true,
                                   .reasons = true,
                                   .count = true};
}

struct work {
    int fd;
    uint64_t length;
    struct import_result *ret;
    struct error *err;
    enum error_code rc;
};

/* Writes and has all of it undone. */
static enum error_code
write_work(struct db_tx *tx, void *context, struct error *err)
{
    struct import_options with = options();
    struct work *work = context;

    work->rc = import_write(tx, work->fd, work->length, &with, work->ret,
                            work->err);
    return error_set(err, ERR_CONFLICT, "undone");
}

static void
note_fault(void *context, const struct import_fault *fault)
{
    FUZZ_CHECK(fault->reason[0] != '\0' && fault->text.len > 0);
    reject_add(context, fault);
}

/* Without what was refused there is nothing to refuse. */
static void
check_rest(const struct reject *reject, int fd, uint64_t length,
           const struct import_result *first)
{
    CLEANUP(buf_done) struct buf refused;
    struct import_options with = options();
    struct import_result again;
    struct buf_sink refused_sink;
    struct fd_sink rest_sink;
    int rest = memfd_create("rest", MFD_CLOEXEC);

    FUZZ_CHECK(rest >= 0);
    buf_init(&refused, 1 << 26);
    buf_sink_init(&refused_sink, &refused);
    fd_sink_init(&rest_sink, rest);
    import_result_init(&again);
    FUZZ_CHECK(reject_split(reject, fd, length, &refused_sink.sink,
                            &rest_sink.sink, NULL) == ERR_OK);
    FUZZ_CHECK(refused.len > 0 && !refused.failed);
    enum error_code rc = import_check(fixture.db, rest,
                                      (uint64_t)lseek(rest, 0, SEEK_CUR), &with,
                                      &again, NULL);

    FUZZ_CHECK(rc == ERR_OK && again.error_count == 0);
    FUZZ_CHECK(again.rows + (int64_t)reject->count == first->rows);
    import_result_done(&again);
    close(rest);
}

static void
check_file(int fd, uint64_t length, struct reject *reject)
{
    struct import_options with = options();
    struct import_result checked, written;
    struct error err = ERROR_INIT, other = ERROR_INIT;
    struct work work = {fd, length, &written, &other, ERR_OK};

    with.fault = note_fault;
    with.context = reject;
    import_result_init(&checked);
    import_result_init(&written);
    enum error_code rc = import_check(fixture.db, fd, length, &with, &checked,
                                      &err);

    FUZZ_CHECK(rc == ERR_OK || rc == ERR_CONTENT || rc == ERR_VALUE);
    FUZZ_CHECK((rc == ERR_CONTENT) == (checked.error_count > 0));
    FUZZ_CHECK(db_write(fixture.db, write_work, &work, NULL) == ERR_CONFLICT);
    FUZZ_CHECK(work.rc == rc &&
               (rc == ERR_OK || strcmp(err.text, other.text) == 0));
    FUZZ_CHECK(checked.rows == written.rows &&
               checked.error_count == written.error_count);
    FUZZ_CHECK(str_eq(buf_view(&checked.errors), buf_view(&written.errors)));
    if (rc == ERR_OK)
        FUZZ_CHECK(checked.created == written.created &&
                   checked.updated == written.updated &&
                   checked.unchanged == written.unchanged &&
                   checked.created + checked.updated + checked.unchanged ==
                       checked.rows);
    else if (rc == ERR_CONTENT && reject->faults == checked.error_count)
        check_rest(reject, fd, length, &checked);
    import_result_done(&checked);
    import_result_done(&written);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct reject reject;
    int fd = memfd_create("import", MFD_CLOEXEC);

    set_up();
    FUZZ_CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    reject_init(&reject);
    check_file(fd, size, &reject);
    reject_done(&reject);
    close(fd);
    return 0;
}
