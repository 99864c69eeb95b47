/* beneath: opens a file, following symbolic links only while they stay in its directory.
 *
 * Another program may write that directory. It could place a link there to a file that only we may
 * read. Links inside the directory are ordinary: Kubernetes makes `name -> ..data/name`.
 * openat2(2) could do this, but needs Linux 5.6; qsticky supports 3.10. */
#ifndef QSTICKY_BASE_BENEATH_H
#define QSTICKY_BASE_BENEATH_H

/* Opens `path` (absolute, under LIMITS_PATH_MAX) for reading; never blocks, not even on a FIFO.
 * Links above the file's directory are followed wherever they lead. Returns the descriptor, which
 * the caller closes. -1: errno says why. EXDEV: a link leads out of the directory. */
int beneath_open(const char *path);

#endif
