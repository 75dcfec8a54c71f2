#include "core/backup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/bundle.h"

/* The linker sends every strcmp() of our code here (meson.build). */
int __real_strcmp(const char *a, const char *b);
int __wrap_strcmp(const char *a, const char *b);

static size_t compared;

int
__wrap_strcmp(const char *a, const char *b)
{
    compared++;
    return __real_strcmp(a, b);
}

#define HEAD                                                 \
    "{\"format\":\"nelm backup\",\"version\":1,"             \
    "\"registry\":\"0192d5a0-0000-7000-8000-000000000001\"," \
    "\"created\":\"2026-01-01T00:00:00Z\",\"schemaVersion\":1"

static void
add(struct bundle *bundle, const char *name, const char *text)
{
    assert_int_equal(bundle_add(bundle, name, str_of(text), NULL), ERR_OK);
}

/* An unsigned backup of `pieces` empty pieces, and as many that are named and
 * not there, in `tables` tables. */
static enum error_code
verify(unsigned pieces, unsigned tables, struct error *err)
{
    const struct backup_check check = {.problem = NULL};
    int fd = memfd_create("backup", MFD_CLOEXEC);
    CLEANUP(buf_done) struct buf manifest;
    struct backup_summary summary;
    struct bundle bundle;

    assert_true(fd >= 0);
    assert_int_equal(bundle_create(&bundle, fd, NULL), ERR_OK);
    buf_init(&manifest, 1 << 24);
    add(&bundle, BACKUP_HEAD, HEAD "}");
    buf_text(&manifest, HEAD ",\"pieces\":[");
    for (unsigned i = 0; i < pieces; i++) {
        char name[40];

        snprintf(name, sizeof(name), "tables/a/%u.tsv", i * 7919 % pieces);
        add(&bundle, name, "");
        buf_printf(&manifest, "%s{\"name\":\"%s\"},{\"name\":\"-%s\"}",
                   i > 0 ? "," : "", name, name);
    }
    buf_text(&manifest, "],\"tables\":[");
    for (unsigned i = 0; i < tables; i++)
        buf_printf(&manifest, "%s{\"name\":\"t%u\"}", i > 0 ? "," : "", i);
    buf_text(&manifest, "]}");
    assert_false(manifest.failed);
    add(&bundle, BACKUP_MANIFEST, manifest.data);
    assert_int_equal(bundle_finish(&bundle, NULL), ERR_OK);
    bundle_done(&bundle);
    compared = 0;
    enum error_code rc = backup_verify(fd, &check, NULL, &summary, err);

    close(fd);
    return rc;
}

static void
many_pieces_are_compared_as_often_as_it_takes_to_sort_them(void **state UNUSED)
{
    struct error err = ERROR_INIT;

    assert_int_equal(verify(500, 1, &err), ERR_CONTENT);
    size_t few = compared;

    assert_int_equal(verify(4000, 1, &err), ERR_CONTENT);
    assert_true(few >= 500);
    assert_in_range(compared, few, 16 * few);
}

static void
more_tables_than_a_registry_can_have_are_refused(void **state UNUSED)
{
    struct error err = ERROR_INIT;

    assert_int_equal(verify(1, 101, &err), ERR_CONTENT);
    assert_string_equal(err.text, "the manifest has more than 100 tables");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            many_pieces_are_compared_as_often_as_it_takes_to_sort_them),
        cmocka_unit_test(more_tables_than_a_registry_can_have_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
