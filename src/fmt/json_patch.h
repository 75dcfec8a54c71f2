/*
 * json_patch.h - RFC 6902 on a jansson document (contract section 8).
 *
 * Memory:  the document stays the caller's; it is changed in place only when
 *          every operation could be applied.
 * Errors:  ERR_SYNTAX: not an array of operations; ERR_CONTENT: a member is
 *          missing or the op unknown; ERR_READ_ONLY: `allowed` said no (the
 *          text names the path); ERR_LIMIT: too many operations; ERR_VALUE:
 *          the target is not there, an index is out of range, a test failed,
 *          a value is nested too deeply or too much copied.
 * Threads: safe everywhere; one document belongs to one thread.
 */
#ifndef NELM_FMT_JSON_PATCH_H
#define NELM_FMT_JSON_PATCH_H

#include <jansson.h>

#include "base/error.h"
#include "base/str.h"

/* May this path be changed? Called for every path and from (of move and
 * copy), in the order of the operations, before anything is applied. Sets the
 * error that is returned when not. */
typedef enum error_code json_patch_allowed(void *context, struct str path,
                                           struct error *err);

#define JSON_PATCH_MAX_OPERATIONS 1000
#define JSON_PATCH_MAX_DEPTH 100                      /* of the result */
#define JSON_PATCH_MAX_COPIED_BYTES ((size_t)4 << 20) /* by "copy", in all */
#define JSON_PATCH_MAX_POINTER ((size_t)64 * 1024)    /* one part of a path */

enum error_code json_patch_apply(json_t **document, const json_t *patch,
                                 json_patch_allowed *allowed, void *context,
                                 struct error *err) MUST_USE;

#endif
