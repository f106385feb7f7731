/* What the groups of grant-table checks have in common. The guest grants to itself. */
#ifndef GRANT_CHECKS_H
#define GRANT_CHECKS_H

#include "../runtime/grants.h"
#include "check.h"

/* A reference that is free, and others after it. */
#define REF 16

/* Holes: neither RAM nor anything else. */
#define HOLE_GPA 0x60000000ul

/* What is read where there is nothing. */
#define NOTHING 0xffffffffu

#define IN_USE (GTF_reading | GTF_writing)
#define MAP_RO (GNTMAP_host_map | GNTMAP_readonly)
#define GP_FAULT 13
#define UNKNOWN_DOMAIN 0x7000

/* The first frame of the table, in version 1. */
extern volatile grant_entry_v1_t *grants;

/* Grants a page, as a driver does: the flags last. */
void grant_page(grant_ref_t ref, domid_t domid, const volatile void *page, uint16_t flags);
void revoke(grant_ref_t ref);

/* What a word of memory holds, read now. */
uint32_t word_at(uint64_t gpa);

/* A mapping of a grant to oneself, and its end. */
long map_own(grant_ref_t ref, uint64_t gpa, uint32_t flags, struct mapping *mapping);

/* Fills a page with words of one value. */
void fill_words(void *page, uint32_t value);

void check_map(void);
void check_map_refusals(void);
void check_unmap(void);
void check_map_batches(void);
void check_grant_copy(void);
void check_copy_refusals(void);
void check_setup_table(void);
void check_swap(void);
void check_version_2(void);

#endif
