/* beneath: open a file, following symbolic links only as far as they stay in its directory.
 *
 * Whoever may write a directory may put a link there that leads to a file which he may not read, but we
 * may. Links inside the directory are in use: Kubernetes' `name -> ..data/name`. openat2(2) could do the
 * walk, but is of Linux 5.6, and this has to work on 3.10. */
#ifndef QSTICKY_BASE_BENEATH_H
#define QSTICKY_BASE_BENEATH_H

/* Opens `path` (absolute, under LIMITS_PATH_MAX) to read; never waits, on a FIFO neither. Links on the way
 * to its directory are followed, wherever they lead. Returns the descriptor, which the caller closes.
 * -1: errno says why. EXDEV: a link leads out of the directory. */
int beneath_open(const char *path);

#endif
