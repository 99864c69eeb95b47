/* relro: makes memory read-only that is written only during the start. */
#ifndef QSTICKY_PROCESS_RELRO_H
#define QSTICKY_PROCESS_RELRO_H

/* Makes all data read-only that does not begin as zeros: tables of pointers, which the start relocates,
 * and musl's pointer to the kernel's clock. The build for users has no variable there that is written
 * later. With glibc this does nothing: its dynamic linker has protected the tables. Never blocks. After a
 * failure the data stays writable, and the program works nevertheless. */
void relro_protect(void);

#endif
