#include "fmt/json_patch.h"

#include "base/buf.h"
#include "base/compiler.h"
#include "fmt/parameter.h"

enum op { ADD, REMOVE, REPLACE, MOVE, COPY, TEST, OPS };

static const struct {
    const char *name;
    bool value, from; /* members that it needs */
} ops[OPS] = {
    [ADD] = {"add", true, false},         [REMOVE] = {"remove", false, false},
    [REPLACE] = {"replace", true, false}, [MOVE] = {"move", false, true},
    [COPY] = {"copy", false, true},       [TEST] = {"test", true, false},
};

struct operation {
    enum op op;
    struct str path, from;
    json_t *value; /* borrowed from the patch */
};

struct patch {
    json_t *document; /* the copy that is changed; owned */
    size_t copied;    /* bytes, roughly, that "copy" has added */
    struct buf token; /* the pointer's part that was read last */
    struct error *err;
};

static void
patch_done(struct patch *patch)
{
    json_decref(patch->document);
    buf_done(&patch->token);
}

/* ---- values ---------------------------------------------------------- */

/* How deep a value is, and about how large; stops beyond `deepest`, and so is
 * never deeper itself. */
static size_t
measure(json_t *value, size_t deepest, size_t *bytes)
{
    size_t below = 0;

    *bytes += 32 + json_string_length(value);
    if (deepest == 0)
        return 1;
    for (void *at = json_object_iter(value); at != NULL;
         at = json_object_iter_next(value, at)) {
        size_t depth = measure(json_object_iter_value(at), deepest - 1, bytes);

        *bytes += json_object_iter_key_len(at);
        below = MAX(below, depth);
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        size_t depth = measure(json_array_get(value, i), deepest - 1, bytes);

        below = MAX(below, depth);
    }
    return below + 1;
}

/* Numbers are equal by value, whichever way they are written; what is not there
 * (NULL) equals nothing. */
static bool
equal(json_t *a, json_t *b)
{
    if (a == NULL || b == NULL)
        return false;
    if (json_is_number(a) && json_is_number(b) &&
        json_typeof(a) != json_typeof(b))
        return json_number_value(a) == json_number_value(b);
    if (json_typeof(a) != json_typeof(b) ||
        json_object_size(a) != json_object_size(b) ||
        json_array_size(a) != json_array_size(b))
        return false;
    for (void *at = json_object_iter(a); at != NULL;
         at = json_object_iter_next(a, at)) {
        json_t *other = json_object_getn(b, json_object_iter_key(at),
                                         json_object_iter_key_len(at));

        if (!equal(json_object_iter_value(at), other))
            return false;
    }
    for (size_t i = 0; i < json_array_size(a); i++)
        if (!equal(json_array_get(a, i), json_array_get(b, i)))
            return false;
    return json_is_object(a) || json_is_array(a) || json_equal(a, b);
}

/* ---- pointers (RFC 6901) --------------------------------------------- */

/* A path is the text of a JSON string, and so has a NUL behind it. */
static enum error_code
refuse(struct patch *patch, struct str path, const char *why)
{
    return parameter_error(patch->err, path.at, "%s", why);
}

/* One part of a pointer without its escapes, into the token. */
static bool
unescape(struct patch *patch, struct str part)
{
    buf_clear(&patch->token);
    for (size_t i = 0; i < part.len; i++) {
        char c = part.at[i];

        if (c == '~') {
            if (++i == part.len || (part.at[i] != '0' && part.at[i] != '1'))
                return false;
            c = part.at[i] == '0' ? '~' : '/';
        }
        buf_char(&patch->token, c);
    }
    return !patch->token.full; /* the caller looks whether there was memory */
}

static struct str
token(const struct patch *patch)
{
    return patch->token.len ? buf_view(&patch->token) : STR("");
}

/* An index below `limit`, without zeros in front. */
static bool
parse_index(struct str text, size_t limit, size_t *ret)
{
    unsigned long long index;

    if (limit == 0 || (text.len > 1 && text.at[0] == '0') ||
        !str_to_u64(text, limit - 1, &index))
        return false;
    *ret = (size_t)index;
    return true;
}

/* The member of `of` that the token names; NULL when it is not there. */
static json_t *
member_of(const struct patch *patch, json_t *of)
{
    struct str name = token(patch);
    size_t index;

    if (json_is_array(of))
        return parse_index(name, json_array_size(of), &index)
                   ? json_array_get(of, index)
                   : NULL;
    return json_object_getn(of, name.at, name.len); /* NULL for no object */
}

/* Go to what holds the target, and leave the target's name in the token.
 * *ret is NULL when the target is the whole document. */
static enum error_code
find_parent(struct patch *patch, struct str path, json_t **ret)
{
    struct str rest = path;
    json_t *at = NULL;

    if (path.len > 0 && str_cut(&rest, '/').len > 0)
        return refuse(patch, path, "the pointer does not begin with \"/\"");
    while (path.len > 0 && rest.at != NULL) {
        at = at ? member_of(patch, at) : patch->document;
        if (at == NULL)
            return refuse(patch, path, "the target is not there");
        if (!unescape(patch, str_cut(&rest, '/')))
            return refuse(patch, path, "the pointer has a wrong escape");
        if (patch->token.failed)
            return error_busy(patch->err, "no memory for a patch");
    }
    *ret = at;
    return ERR_OK;
}

/* NULL and ERR_VALUE when it is not there. */
static json_t *
find(struct patch *patch, struct str path)
{
    json_t *parent = NULL, *target;

    if (find_parent(patch, path, &parent) != ERR_OK)
        return NULL;
    target = parent ? member_of(patch, parent) : patch->document;
    if (target == NULL)
        refuse(patch, path, "the target is not there");
    return target;
}

/* ---- operations ------------------------------------------------------ */

static enum error_code
put_into(struct patch *patch, struct str path, json_t *parent, json_t *value,
         bool replace)
{
    struct str name = token(patch);
    size_t index = 0;
    int failed;

    if (json_is_object(parent)) {
        failed = json_object_setn(parent, name.at, name.len, value);
    } else if (json_is_array(parent)) {
        size_t size = json_array_size(parent);

        if (str_eq(name, STR("-")))
            index = size;
        else if (!parse_index(name, size + 1, &index))
            return refuse(patch, path, "the index is out of range");
        failed = replace ? json_array_set(parent, index, value)
                         : json_array_insert(parent, index, value);
    } else {
        return refuse(patch, path, "the target is not there");
    }
    return failed ? error_busy(patch->err, "no memory for a patch") : ERR_OK;
}

static enum error_code
check_depth(struct patch *patch, struct str path, json_t *value, size_t *bytes)
{
    size_t depth = measure(value, JSON_PATCH_MAX_DEPTH, bytes);

    for (size_t i = 0; i < path.len; i++)
        depth += path.at[i] == '/';
    if (depth > JSON_PATCH_MAX_DEPTH)
        return refuse(patch, path, "the value is nested too deeply");
    return ERR_OK;
}

/* Add, or replace what is known to be there. */
static enum error_code
put(struct patch *patch, struct str path, json_t *value, bool replace)
{
    json_t *parent = NULL;
    enum error_code rc = find_parent(patch, path, &parent);

    if (rc != ERR_OK || parent != NULL)
        return rc ? rc : put_into(patch, path, parent, value, replace);
    json_incref(value);
    json_decref(patch->document);
    patch->document = value;
    return ERR_OK;
}

/* The same with a copy: later operations may change it. */
static enum error_code
put_copy(struct patch *patch, struct str path, json_t *value, bool replace,
         size_t *bytes)
{
    enum error_code rc = check_depth(patch, path, value, bytes);

    if (rc != ERR_OK)
        return rc;
    json_t *own = json_deep_copy(value);

    if (own == NULL)
        return error_busy(patch->err, "no memory for a patch");
    rc = put(patch, path, own, replace);
    json_decref(own);
    return rc;
}

static enum error_code
detach(struct patch *patch, struct str path)
{
    json_t *parent = NULL;
    size_t index = 0;

    if (find(patch, path) == NULL)
        return ERR_VALUE;
    enum error_code rc = find_parent(patch, path, &parent);

    if (rc != ERR_OK)
        return rc;
    if (parent == NULL)
        return refuse(patch, path, "the whole document cannot go");
    if (json_is_array(parent)) {
        (void)parse_index(token(patch), json_array_size(parent), &index);
        json_array_remove(parent, index);
    } else {
        json_object_deln(parent, token(patch).at, token(patch).len);
    }
    return ERR_OK;
}

static enum error_code
move(struct patch *patch, const struct operation *operation)
{
    struct str from = operation->from, path = operation->path;
    json_t *source = find(patch, from);
    size_t bytes = 0;

    if (source == NULL)
        return ERR_VALUE;
    if (path.len > from.len && path.at[from.len] == '/' &&
        str_eq(from, str_n(path.at, from.len)))
        return refuse(patch, path, "a value cannot move into itself");
    enum error_code rc = check_depth(patch, path, source, &bytes);

    if (rc != ERR_OK)
        return rc;
    json_incref(source);
    rc = detach(patch, from);
    if (rc == ERR_OK)
        rc = put(patch, path, source, false);
    json_decref(source);
    return rc;
}

static enum error_code
apply(struct patch *patch, const struct operation *operation)
{
    struct str path = operation->path;
    json_t *value = operation->value, *target;
    size_t bytes = 0;
    enum error_code rc;

    switch (operation->op) {
    case ADD:
        return put_copy(patch, path, value, false, &bytes);
    case REMOVE:
        return detach(patch, path);
    case REPLACE:
        if (find(patch, path) == NULL)
            return ERR_VALUE;
        return put_copy(patch, path, value, true, &bytes);
    case MOVE:
        return move(patch, operation);
    case COPY:
        target = find(patch, operation->from);
        if (target == NULL)
            return ERR_VALUE;
        /* Copies of copies double. */
        rc = put_copy(patch, path, target, false, &patch->copied);
        if (rc == ERR_OK && patch->copied > JSON_PATCH_MAX_COPIED_BYTES)
            return refuse(patch, path, "too much is copied");
        return rc;
    case TEST:
    case OPS:
        break;
    }
    target = find(patch, path);
    if (target == NULL)
        return ERR_VALUE;
    if (!equal(target, value))
        return refuse(patch, path, "the test failed");
    return ERR_OK;
}

/* ---- the patch ------------------------------------------------------- */

static struct str
text_of(const json_t *value)
{
    return str_n(json_string_value(value), json_string_length(value));
}

static enum error_code
read_operation(json_t *object, size_t index, struct operation *ret,
               struct error *err)
{
    struct operation read = {
        .op = OPS,
        .path = text_of(json_object_get(object, "path")),
        .from = text_of(json_object_get(object, "from")),
        .value = json_object_get(object, "value"),
    };
    struct str name = text_of(json_object_get(object, "op"));
    const char *missing = NULL;

    if (!json_is_object(object))
        return error_set(err, ERR_SYNTAX, NULL);
    if (name.at == NULL) {
        missing = "op";
    } else {
        for (size_t i = 0; i < OPS; i++)
            if (str_eq(name, str_of(ops[i].name)))
                read.op = (enum op)i;
        if (read.op == OPS)
            return error_cause(err, ERR_CONTENT,
                               "operation %zu has an unknown \"op\"", index);
        if (ops[read.op].value && read.value == NULL)
            missing = "value";
        if (ops[read.op].from && read.from.at == NULL)
            missing = "from";
        if (read.path.at == NULL)
            missing = "path";
    }
    if (missing != NULL)
        return error_cause(err, ERR_CONTENT, "operation %zu has no \"%s\"",
                           index, missing);
    *ret = read;
    return ERR_OK;
}

static enum error_code
check(const json_t *patch, json_patch_allowed *allowed, void *context,
      struct error *err)
{
    struct operation operation = {.op = OPS};

    if (!json_is_array(patch))
        return error_set(err, ERR_SYNTAX, NULL);
    if (json_array_size(patch) > JSON_PATCH_MAX_OPERATIONS)
        return error_set(err, ERR_LIMIT,
                         "You have reached the current limit of %d patch "
                         "operations.",
                         JSON_PATCH_MAX_OPERATIONS);
    for (size_t i = 0; i < json_array_size(patch); i++) {
        enum error_code rc = read_operation(json_array_get(patch, i), i,
                                            &operation, err);

        if (rc == ERR_OK)
            rc = allowed(context, operation.path, err);
        if (rc == ERR_OK && ops[operation.op].from)
            rc = allowed(context, operation.from, err);
        if (rc != ERR_OK)
            return rc;
    }
    return ERR_OK;
}

enum error_code
json_patch_apply(json_t **document, const json_t *patch,
                 json_patch_allowed *allowed, void *context, struct error *err)
{
    CLEANUP(patch_done) struct patch state = {.err = err};
    struct operation operation = {.op = OPS};
    enum error_code rc = check(patch, allowed, context, err);

    if (rc != ERR_OK)
        return rc;
    buf_init(&state.token, JSON_PATCH_MAX_POINTER);
    state.document = json_deep_copy(*document);
    if (state.document == NULL)
        return error_busy(err, "no memory for a patch");
    for (size_t i = 0; i < json_array_size(patch); i++) {
        rc = read_operation(json_array_get(patch, i), i, &operation, err);
        if (rc == ERR_OK)
            rc = apply(&state, &operation);
        if (rc != ERR_OK)
            return rc;
    }
    json_t *old = *document;

    *document = state.document;
    state.document = old;
    return ERR_OK;
}
