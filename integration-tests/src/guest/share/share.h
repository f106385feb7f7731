/* A guest that does with grants what it is told on its serial port (share.c). */
#ifndef SHARE_H
#define SHARE_H

#include "../runtime/grants.h"

#include <stdint.h>

#define PAGES 256
#define HOLE_GPA 0x60000000ul

/* What no other domain may ever see: this in the upper half of each word, a page's number in the lower. */
#define SECRET 0x5ec2e700u
#define IS_SECRET(word) (((word) & 0xffffff00u) == SECRET)

/* What pages that are granted hold at first. */
#define PUBLIC 0x11000000u

/* The first frame of the grant table. */
extern volatile grant_entry_v1_t *entries;

/* Pages of this guest, by number. */
extern volatile uint32_t *pages[PAGES];

void fill_page(unsigned int number, uint32_t value);

/* How many of a page's words are not that value. */
unsigned int words_unlike(unsigned int number, uint32_t value);

void grant_to(grant_ref_t ref, domid_t domid, unsigned long frame, uint16_t flags);

/* Takes a grant back if it is not in use; whether that was so. */
int try_revoke(grant_ref_t ref);

/* Numbers after the "=" of an answer. */
void answer(uint64_t value);
void answer_signed(int64_t value);

/* Commands with files of their own; what their arguments are is said there. */
void recycle(const uint64_t *arguments);
void attack(const uint64_t *arguments);

#endif
