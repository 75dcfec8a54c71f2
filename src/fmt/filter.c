#include "fmt/filter.h"

#include "base/utf8.h"
#include "fmt/parameter.h"

static const char *const op_names[FILTER_OPS] = {
    [OP_EQ] = "eq", [OP_NE] = "ne", [OP_GT] = "gt", [OP_GE] = "ge",
    [OP_LT] = "lt", [OP_LE] = "le", [OP_CO] = "co", [OP_SW] = "sw",
    [OP_CA] = "ca", [OP_IN] = "in", [OP_PR] = "pr", [OP_ISNULL] = "isnull",
};

/* Recursive descent over a copy of the text; quoted strings are unescaped in
 * their place. After the first fault every function returns NULL. */
struct parser {
    struct str text; /* as it was sent, for positions */
    char *copy;
    size_t at;
    struct arena *arena;
    struct error *err;
    unsigned nodes, depth;
};

static struct filter *parse_or(struct parser *parser);

/* Says why, and where: characters are counted from 1. */
static void
fail_at(struct parser *parser, size_t at, const char *why)
{
    parameter_error(parser->err, "filters", "%s at character %zu", why,
                    utf8_length(str_n(parser->text.at, at)) + 1);
}

static struct filter *
new_node(struct parser *parser, enum filter_kind kind)
{
    struct filter *node = NULL;

    if (parser->nodes++ == FILTER_MAX_NODES)
        parameter_error(parser->err, "filters", "more than %d terms",
                        FILTER_MAX_NODES);
    else if ((node = arena_zalloc(parser->arena, sizeof(*node))) == NULL)
        error_busy(parser->err, "no memory for a filter");
    else
        node->kind = kind;
    return node;
}

/* ---- tokens ---------------------------------------------------------- */

static bool
is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* The next character that is not a blank; '\0' at the end. A NUL in the text
 * is nothing that anybody asks for. */
static char
peek(struct parser *parser)
{
    while (parser->at < parser->text.len && parser->copy[parser->at] == ' ')
        parser->at++;
    return parser->copy[parser->at]; /* the copy has a NUL behind it */
}

static bool
take(struct parser *parser, char c)
{
    if (peek(parser) != c)
        return false;
    parser->at++;
    return true;
}

/* The word that comes next, empty for none, without taking it. */
static struct str
peek_word(struct parser *parser)
{
    size_t len = 0;

    peek(parser);
    while (is_word_char(parser->copy[parser->at + len]))
        len++;
    return str_n(parser->copy + parser->at, len);
}

static bool
take_word(struct parser *parser, struct str word)
{
    if (!str_eq(peek_word(parser), word))
        return false;
    parser->at += word.len;
    return true;
}

/* ---- values ---------------------------------------------------------- */

/* Behind the opening quote. */
static bool
parse_quoted(struct parser *parser, struct str *ret)
{
    size_t begin = parser->at, end = begin;
    char *copy = parser->copy;

    while (parser->at < parser->text.len) {
        char c = copy[parser->at++];

        if (c == '"') {
            *ret = str_n(copy + begin, end - begin);
            return true;
        }
        if (c == '\\') {
            c = copy[parser->at];
            if (c != '"' && c != '\\') {
                fail_at(parser, parser->at - 1, "unknown escape");
                return false;
            }
            parser->at++;
        }
        copy[end++] = c;
    }
    fail_at(parser, begin - 1, "a quote that is not closed");
    return false;
}

static bool
parse_value(struct parser *parser, struct str *ret)
{
    if (take(parser, '"'))
        return parse_quoted(parser, ret);
    *ret = peek_word(parser);
    parser->at += ret->len;
    if (ret->len == 0)
        fail_at(parser, parser->at, "a value is missing");
    return ret->len > 0;
}

static bool
parse_values(struct parser *parser, bool many, struct filter *node)
{
    struct str values[FILTER_MAX_VALUES];
    size_t count = 0;

    if (many && !take(parser, '(')) {
        fail_at(parser, parser->at, "\"(\" is missing");
        return false;
    }
    do {
        if (count == FILTER_MAX_VALUES) {
            fail_at(parser, parser->at, "too many values");
            return false;
        }
        if (!parse_value(parser, &values[count++]))
            return false;
    } while (many && take(parser, ','));
    if (many && !take(parser, ')')) {
        fail_at(parser, parser->at, "\")\" is missing");
        return false;
    }
    node->values = arena_alloc(parser->arena, count * sizeof(values[0]));
    if (node->values == NULL) {
        error_busy(parser->err, "no memory for a filter");
        return false;
    }
    memcpy(node->values, values, count * sizeof(values[0]));
    node->value_count = count;
    return true;
}

/* ---- expressions ----------------------------------------------------- */

static bool
parse_op(struct parser *parser, enum filter_op *ret)
{
    for (size_t i = 0; i < FILTER_OPS; i++) {
        if (take_word(parser, str_of(op_names[i]))) {
            *ret = (enum filter_op)i;
            return true;
        }
    }
    fail_at(parser, parser->at, "an operator is missing");
    return false;
}

static struct filter *
parse_test(struct parser *parser)
{
    struct str field = peek_word(parser);

    if (field.len == 0) {
        fail_at(parser, parser->at, "a field is missing");
        return NULL;
    }
    parser->at += field.len;
    struct filter *node = new_node(parser, FILTER_TEST);

    if (node == NULL)
        return NULL;
    node->field = field;
    if (!parse_op(parser, &node->op))
        return NULL;
    if (node->op == OP_PR || node->op == OP_ISNULL)
        return node;
    bool many = node->op == OP_IN || node->op == OP_CA;

    return parse_values(parser, many, node) ? node : NULL;
}

static struct filter *
parse_primary(struct parser *parser)
{
    size_t begin = parser->at;

    if (!take(parser, '('))
        return parse_test(parser);
    if (parser->depth == FILTER_MAX_NODES) {
        fail_at(parser, begin, "nested too deeply");
        return NULL;
    }
    parser->depth++;
    struct filter *node = parse_or(parser);

    parser->depth--;
    if (node != NULL && !take(parser, ')')) {
        fail_at(parser, parser->at, "\")\" is missing");
        return NULL;
    }
    return node;
}

static struct filter *
parse_not(struct parser *parser)
{
    struct filter *first = NULL, **end = &first;

    while (take_word(parser, STR("not"))) {
        *end = new_node(parser, FILTER_NOT);
        if (*end == NULL)
            return NULL;
        end = &(*end)->left;
    }
    *end = parse_primary(parser);
    return *end ? first : NULL;
}

/* Operands of one kind group from the left. */
static struct filter *
parse_chain(struct parser *parser, enum filter_kind kind, struct str word,
            struct filter *(*operand)(struct parser *parser))
{
    struct filter *left = operand(parser);

    while (left != NULL && take_word(parser, word)) {
        struct filter *node = new_node(parser, kind);

        if (node == NULL)
            return NULL;
        node->left = left;
        node->right = operand(parser);
        left = node->right ? node : NULL;
    }
    return left;
}

static struct filter *
parse_and(struct parser *parser)
{
    return parse_chain(parser, FILTER_AND, STR("and"), parse_not);
}

static struct filter *
parse_or(struct parser *parser)
{
    return parse_chain(parser, FILTER_OR, STR("or"), parse_and);
}

enum error_code
filter_parse(struct str text, struct arena *arena, struct filter **ret,
             struct error *err)
{
    struct error own = ERROR_INIT;
    struct parser parser = {
        .text = text, .arena = arena, .err = err ? err : &own};

    if (!utf8_valid(text))
        return parameter_error(err, "filters", "the text is not UTF-8");
    parser.copy = arena_alloc(arena, text.len + 1);
    if (parser.copy == NULL)
        return error_busy(err, "no memory for a filter");
    memcpy(parser.copy, text.len ? text.at : "", text.len);
    parser.copy[text.len] = '\0';

    struct filter *filter = parse_or(&parser);

    if (filter == NULL)
        return parser.err->code;
    peek(&parser);
    if (parser.at < text.len) {
        fail_at(&parser, parser.at, "more text than one expression");
        return ERR_VALUE;
    }
    *ret = filter;
    return ERR_OK;
}

const char *
filter_op_name(enum filter_op op)
{
    return op_names[op];
}
