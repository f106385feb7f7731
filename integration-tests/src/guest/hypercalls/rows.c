/* Makes the calls of rows.txt, which says how a line is to be read, and prints each with its answer. */
#include "check.h"

#include "../runtime/grants.h"

#define REGISTERS 5
#define MAX_SHOWN 4
#define ARGUMENT_BYTES 512
#define LINE_BYTES 512

/* A domain that does not exist. */
#define NO_DOMAIN 0x6fff

asm(".section .rodata\n"
    "rows_text: .incbin \"hypercalls/rows.txt\"\n"
    ".byte 0\n"
    ".text\n");
extern const char rows_text[];

/* A part of the text. */
struct part {
    const char *at, *end;
};

/* A field that is printed after the call. */
struct shown {
    unsigned int width, offset;
};

static char *argument, *page;

static uint64_t named_value(const char *name, size_t length)
{
    const struct {
        const char *name;
        uint64_t value;
    } values[] = {
        {"arg", (unsigned long)argument},     {"page", (unsigned long)page},
        {"gfn", (unsigned long)page / PAGE},  {"bad", WINDOW + 8 * PAGE},
        {"hole", NOTHING_GPA / PAGE},         {"own", own_domid()},
        {"self", DOMID_SELF},                 {"none", NO_DOMAIN},
    };

    for (unsigned int i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        if (strlen(values[i].name) == length && memcmp(name, values[i].name, length) == 0)
            return values[i].value;
    print("FAIL unknown value in rows.txt\n");
    return 0;
}

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int is_letter(char c)
{
    return c >= 'a' && c <= 'z';
}

static uint64_t take_number(struct part *text)
{
    uint64_t value = 0;
    int negative = *text->at == '-';

    text->at += negative;
    if (text->at[0] == '0' && text->at[1] == 'x')
        for (text->at += 2; is_digit(*text->at) || (*text->at >= 'a' && *text->at <= 'f'); text->at++)
            value = value << 4 | (uint64_t)(is_digit(*text->at) ? *text->at - '0' : *text->at - 'a' + 10);
    else
        for (; is_digit(*text->at); text->at++)
            value = value * 10 + (uint64_t)(*text->at - '0');
    return negative ? -value : value;
}

static uint64_t take_value(struct part *text)
{
    const char *name = text->at;
    uint64_t value;

    if (!is_letter(*name))
        return take_number(text);
    while (is_letter(*text->at))
        text->at++;
    value = named_value(name, (size_t)(text->at - name));
    if (*text->at == '+') {
        text->at++;
        value += take_number(text);
    }
    return value;
}

static int skip_blanks(struct part *text)
{
    while (text->at < text->end && *text->at == ' ')
        text->at++;
    return text->at < text->end;
}

/* The text without blanks around it. */
static struct part trimmed(const char *at, const char *end)
{
    struct part text = {at, end};

    skip_blanks(&text);
    while (text.end > text.at && text.end[-1] == ' ')
        text.end--;
    return text;
}

/* The next column of a line; in a column of two texts, the one of this guest's width. */
static struct part take_column(struct part *line)
{
    const char *start = line->at, *end = start, *middle = 0;

    for (; end < line->end && *end != '|'; end++)
        if (end[0] == '/' && end[1] == '/')
            middle = end;
    line->at = end < line->end ? end + 1 : end;
    if (!middle)
        return trimmed(start, end);
    return sizeof(long) == 8 ? trimmed(start, middle) : trimmed(middle + 2, end);
}

/* Fills the argument; the number of fields to be printed. */
static unsigned int set_fields(struct part fields, struct shown *shown)
{
    unsigned int count = 0;

    memset(argument, 0, ARGUMENT_BYTES);
    while (skip_blanks(&fields)) {
        int show = *fields.at == '?';
        unsigned int width, offset;
        uint64_t value;

        fields.at += show;
        width = (unsigned int)take_number(&fields);
        fields.at++;
        offset = (unsigned int)take_number(&fields);
        if (show) {
            shown[count++] = (struct shown){width, offset};
            continue;
        }
        fields.at++;
        value = take_value(&fields);
        memcpy(argument + offset, &value, width);
    }
    return count;
}

static long call(struct part text)
{
    unsigned long registers[1 + REGISTERS] = {0};

    for (unsigned int i = 0; i <= REGISTERS && skip_blanks(&text); i++)
        registers[i] = (unsigned long)take_value(&text);
    return hypercall5(registers[0], registers[1], registers[2], registers[3], registers[4], registers[5]);
}

static void print_part(struct part text)
{
    char copy[LINE_BYTES];
    size_t length = (size_t)(text.end - text.at);

    memcpy(copy, text.at, length);
    copy[length] = 0;
    print(copy);
}

static void print_field(const struct shown *field)
{
    uint64_t value = 0;
    unsigned int unused = 64 - 8 * field->width;

    memcpy(&value, argument + field->offset, field->width);
    print(" ");
    print_unsigned(field->width);
    print("@");
    print_unsigned(field->offset);
    print("=");
    print_signed((int64_t)(value << unused) >> unused);
}

static void print_row(struct part line)
{
    struct part text = take_column(&line), fields = take_column(&line), answer = take_column(&line);
    struct part fatal = take_column(&line);
    struct shown shown[MAX_SHOWN];
    unsigned int count;
    long result;

    if ((*answer.at == '-' && !is_digit(answer.at[1])) || (fatal.at < fatal.end && command_line_word("spare", 0)))
        return;
    count = set_fields(fields, shown);
    result = call(text);
    print("row ");
    print_part(text);
    print(" | ");
    print_part(fields);
    print(" = ");
    print_signed(result);
    for (unsigned int i = 0; i < count; i++)
        print_field(&shown[i]);
    print("\n");
}

void print_rows(void)
{
    struct part line = {rows_text, rows_text};

    argument = alloc_page();
    page = alloc_page();
    map_window(8, 0, WINDOW_ABSENT);
    while (*line.at) {
        for (line.end = line.at; *line.end != '\n'; line.end++)
            ;
        if (is_digit(*line.at))
            print_row(line);
        line.at = line.end + 1;
    }
}
