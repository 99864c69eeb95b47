/* relro: what is written only while the program starts is read-only afterwards. */
#ifndef QSTICKY_PROCESS_RELRO_H
#define QSTICKY_PROCESS_RELRO_H

/* Makes the part that the linker calls RELRO read-only: tables of pointers, which are relocated at the
 * start. Does not block. Where it fails, that part stays writable: the program can go on without. */
void relro_protect(void);

#endif
