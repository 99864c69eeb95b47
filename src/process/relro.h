/* relro: makes memory read-only that is written only during the start. */
#ifndef QSTICKY_PROCESS_RELRO_H
#define QSTICKY_PROCESS_RELRO_H

/* Makes the linker's RELRO part read-only: tables of pointers, which the start relocates. Never blocks.
 * After a failure that part stays writable, and the program works nevertheless. */
void relro_protect(void);

#endif
