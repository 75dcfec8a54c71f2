#include "http/multipart.h"

#include <stdint.h>
#include <stdlib.h>

#include "http/message.h"

#define BUFFER_BYTES (32 * 1024)
#define MAX_HEAD_BYTES (8 * 1024)
#define MAX_PADDING 256 /* blanks behind a boundary */
#define MAX_BOUNDARY 70

enum state { PREAMBLE, HEAD, DATA, EPILOGUE };

struct multipart {
    struct multipart_callbacks callbacks;
    enum state state;
    bool line_start; /* what waits begins a line without a line end before it */
    size_t dash_len;
    char dash[2 + MAX_BOUNDARY]; /* "--" and the boundary */
    size_t pos, len; /* what waits is buf[pos] up to buf[pos + len] */
    char buf[BUFFER_BYTES];
};

bool
multipart_boundary(struct str content_type, char to[MAX_BOUNDARY + 1])
{
    struct str rest = content_type, name;
    char text[MAX_BOUNDARY];

    if (!str_eq_nocase(str_trim(str_cut(&rest, ';')),
                       STR("multipart/form-data")))
        return false;
    while (rest.at != NULL) {
        struct str value = http_parameter(&rest, &name);

        if (!str_eq_nocase(name, STR("boundary")))
            continue;
        if (value.len > MAX_BOUNDARY + 2)
            return false;
        value = http_unquote(value, text);
        if (value.len < 1 || value.len > MAX_BOUNDARY ||
            value.at[value.len - 1] == ' ')
            return false;
        for (size_t i = 0; i < value.len; i++)
            if (value.at[i] < ' ' || value.at[i] > '~')
                return false;
        memcpy(to, value.at, value.len);
        to[value.len] = '\0';
        return true;
    }
    return false;
}

struct multipart *
multipart_new(const char *boundary, const struct multipart_callbacks *callbacks)
{
    struct multipart *m = malloc(sizeof(*m));
    size_t len = strlen(boundary);

    if (m == NULL || len > MAX_BOUNDARY) {
        free(m);
        return NULL;
    }
    m->callbacks = *callbacks;
    m->state = PREAMBLE;
    m->line_start = true;
    m->dash_len = len + 2;
    memcpy(m->dash, "--", 2);
    memcpy(m->dash + 2, boundary, len);
    m->pos = m->len = 0;
    return m;
}

void
multipart_free(struct multipart *m)
{
    free(m);
}

/* What stands behind a line's beginning. */
enum line { LINE_OTHER, LINE_PART, LINE_CLOSE, LINE_UNFINISHED };

/* Does a boundary line begin at `at`? *ret_len is its length with its end. */
static enum line
boundary_line(const struct multipart *m, size_t at, size_t *ret_len)
{
    const char *line = m->buf + m->pos + at;
    size_t left = m->len - at, i = m->dash_len;

    /* Most lines are none, and some files have very many. */
    if (left > 0 && line[0] != '-')
        return LINE_OTHER;
    if (memcmp(line, m->dash, MIN(left, i)) != 0)
        return LINE_OTHER;
    if (left <= i)
        return LINE_UNFINISHED;
    if (line[i] == '-') {
        *ret_len = i + 2;
        if (left < *ret_len)
            return LINE_UNFINISHED;
        return line[i + 1] == '-' ? LINE_CLOSE : LINE_OTHER;
    }
    while (i < left && (line[i] == ' ' || line[i] == '\t'))
        i++;
    if (i - m->dash_len > MAX_PADDING)
        return LINE_OTHER;
    if (i < left && line[i] == '\r')
        i++;
    if (i == left)
        return LINE_UNFINISHED;
    *ret_len = i + 1;
    return line[i] == '\n' ? LINE_PART : LINE_OTHER;
}

static void
consume(struct multipart *m, size_t len)
{
    m->pos += len;
    m->len -= len;
}

/* Pass on data before a boundary, which is nobody's in the preamble. */
static enum error_code
deliver(struct multipart *m, size_t len, struct error *err)
{
    if (len == 0 || m->state == PREAMBLE)
        return ERR_OK;
    return m->callbacks.data(m->callbacks.context, m->buf + m->pos, len, err);
}

/* Read content up to a boundary, or as much as is certain to be content.
 * ERR_END: the rest must wait for more bytes. */
static enum error_code
read_content(struct multipart *m, struct error *err)
{
    const char *buf = m->buf + m->pos;
    size_t at = 0, len = 0, end = m->len;
    enum line line = LINE_OTHER;
    enum error_code rc;

    if (m->line_start)
        line = boundary_line(m, 0, &len);
    while (line == LINE_OTHER) {
        const char *nl = memchr(buf + at, '\n', m->len - at);

        if (nl == NULL)
            break;
        at = (size_t)(nl - buf) + 1;
        line = boundary_line(m, at, &len);
    }
    /* The line end before a boundary belongs to the boundary. */
    if (line != LINE_OTHER) {
        end = at;
        if (end > 0)
            end--;
    }
    if (end > 0 && buf[end - 1] == '\r')
        end--;
    rc = deliver(m, end, err);
    if (rc != ERR_OK)
        return rc;
    if (line == LINE_OTHER || line == LINE_UNFINISHED) {
        if (end > 0)
            m->line_start = false;
        consume(m, end);
        return ERR_END;
    }
    if (m->state == DATA) {
        rc = m->callbacks.end(m->callbacks.context, err);
        if (rc != ERR_OK)
            return rc;
    }
    consume(m, at + len);
    m->state = line == LINE_PART ? HEAD : EPILOGUE;
    return ERR_OK;
}

/* The length of a part's head with the blank line behind it, or 0. */
static size_t
head_length(const struct multipart *m)
{
    const char *buf = m->buf + m->pos;
    size_t begin = 0;

    for (size_t i = 0; i < m->len; i++) {
        if (buf[i] != '\n')
            continue;
        if (i == begin || (i == begin + 1 && buf[begin] == '\r'))
            return i + 1;
        begin = i + 1;
    }
    return 0;
}

static void
disposition(struct str value, struct multipart_part *part)
{
    struct str rest = value, name;

    str_cut(&rest, ';');
    while (rest.at != NULL) {
        struct str text = http_parameter(&rest, &name);
        /* In place: unquoting only makes it shorter, and both point into our
         * own buffer. */
        char *to = (char *)(uintptr_t)text.at;

        if (str_eq_nocase(name, STR("name")) && part->name.at == NULL)
            part->name = http_unquote(text, to);
        else if (str_eq_nocase(name, STR("filename")) &&
                 part->filename.at == NULL)
            part->filename = http_unquote(text, to);
    }
}

static enum error_code
read_head(struct multipart *m, struct error *err)
{
    struct multipart_part part = {{0}, {0}, {0}};
    size_t len = head_length(m);
    enum error_code rc;

    if (len > MAX_HEAD_BYTES || (len == 0 && m->len >= MAX_HEAD_BYTES))
        return error_cause(err, ERR_SYNTAX, "head of a form part too long");
    if (len == 0)
        return ERR_END;
    for (struct str rest = str_n(m->buf + m->pos, len); rest.at != NULL;) {
        struct str value = str_trim(str_cut(&rest, '\n'));
        struct str name = str_trim(str_cut(&value, ':'));

        value = str_trim(value);
        if (str_eq_nocase(name, STR("Content-Disposition")))
            disposition(value, &part);
        else if (str_eq_nocase(name, STR("Content-Type")))
            part.content_type = value;
    }
    rc = m->callbacks.begin(m->callbacks.context, &part, err);
    if (rc != ERR_OK)
        return rc;
    consume(m, len);
    m->state = DATA;
    m->line_start = true;
    return ERR_OK;
}

enum error_code
multipart_feed(struct multipart *m, const char *bytes, size_t len,
               struct error *err)
{
    while (len > 0 && m->state != EPILOGUE) {
        /* There is always room: what waits is shorter than a part's head, or
         * than a boundary line. */
        size_t piece = MIN(len, sizeof(m->buf) - m->len);
        enum error_code rc = ERR_OK;

        memmove(m->buf, m->buf + m->pos, m->len);
        m->pos = 0;
        memcpy(m->buf + m->len, bytes, piece);
        m->len += piece;
        bytes += piece;
        len -= piece;
        while (rc == ERR_OK && m->state != EPILOGUE)
            rc = m->state == HEAD ? read_head(m, err) : read_content(m, err);
        if (rc != ERR_OK && rc != ERR_END)
            return rc;
    }
    return ERR_OK;
}

enum error_code
multipart_end(struct multipart *m, struct error *err)
{
    if (m->state != EPILOGUE)
        return error_cause(err, ERR_SYNTAX,
                           "the form ends before its closing boundary");
    return ERR_OK;
}
