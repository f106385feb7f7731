/* One line per check of a program that runs under Linux, as in ../hypercalls. */
#ifndef CHECK_H
#define CHECK_H

/* "ok NAME", or "FAIL NAME: got X want Y". */
void check(const char *name, long got, long want);

/* The last line: "N passed, N failed". Returns the program's exit status. */
int check_summary(void);

/* Ends the program: what it needs is not there. */
void die(const char *what);

#endif
