/* port_file: reads the forwarded port from the file that Gluetun writes, and watches that file.
 *
 * Gluetun empties or removes the file while it has no port, so "no port" is an ordinary answer
 * here, not a failure. A read gives the content of one moment; core/sync.h judges it over time. */
#ifndef QSTICKY_GLUETUN_PORT_FILE_H
#define QSTICKY_GLUETUN_PORT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fail.h"

/* Longest file accepted, in bytes. Gluetun may list several ports, one on each line. */
#define PORT_FILE_MAX 256

/* Most ports in a file of that length: each takes two bytes or more. */
#define PORT_FILE_PORTS_MAX (PORT_FILE_MAX / 2)

/* The ports in the order of the file, 1 to 65535 each. `count` 0: none is forwarded. */
struct port_file_ports {
	bool missing;  /* the file or its directory does not exist */
	bool replaced; /* the read failed because the file was mounted alone and then replaced; a
	                * rename may look the same for a moment */
	size_t count;
	uint16_t port[PORT_FILE_PORTS_MAX];
};

/* Parses `len` bytes (at most PORT_FILE_MAX) as Gluetun writes them: one port on each line. Ignores
 * spaces, tabs and CR around a number. Every line must hold a number from 1 to 65535, or nothing.
 * Returns false for anything else; `*ports` is unchanged then. */
bool port_file_parse(const char *text, size_t len, struct port_file_ports *ports);

/* Reads the file at `path` (absolute, under LIMITS_PATH_MAX) and sets `*ports`. If the file is
 * empty, or it or its directory is missing, the list is empty. Never blocks, not even on a FIFO.
 * `why` never shows the file's content, nor a link's target.
 * FAIL_IO: unreadable, not a regular file, or mounted alone and then replaced; the last also sets
 * `ports->replaced`. FAIL_TOO_BIG: over PORT_FILE_MAX. FAIL_FORMAT: not ports, or a symbolic link
 * that leads out of the directory. */
enum fail port_file_read(const char *path, struct port_file_ports *ports, struct failure *why);

/* Says why the file at `path` lists no port, and sets `*word`: WORD_EMPTY, WORD_MISSING, WORD_NO_DIR,
 * WORD_EMPTY_DIR, or WORD_WRONG_DIR for the directory of Gluetun's own data. Never blocks. */
const char *port_file_reason(const char *path, enum fail_word *word);

/* An inotify watch on the file's directory. If that is missing, on the nearest directory above. */
struct port_file_watch {
	const char *path;   /* borrowed; absolute, under LIMITS_PATH_MAX */
	int inotify_fd;     /* non-blocking, for poll(); -1 while the kernel refuses to watch */
	int watch;          /* inotify's watch descriptor; -1: none */
	size_t watched_len; /* bytes of `path` that name the watched directory; 0: "/" */
	dev_t device;       /* identifies the watched directory, with `inode` */
	ino_t inode;
};

/* What port_file_watch_drain() saw, from the least to the most. Code compares the values. */
enum port_file_event {
	PORT_FILE_QUIET,    /* nothing happened to the file */
	PORT_FILE_MODIFIED, /* a write has begun: read the file after a moment */
	PORT_FILE_TOUCHED,  /* the file may differ: read it now */
	PORT_FILE_WRITTEN,  /* a write has ended: read it now; run a cycle even for the same port */
};

/* Returns a closed watch for `path`. port_file_watch_renew() opens it. */
struct port_file_watch port_file_watch_on(const char *path);

/* Starts the watch, or moves it if the directory was made, removed or replaced. Call it before each
 * read of the file. Never blocks, except where a failure closes the watch (up to 20 ms).
 * FAIL_IO: the kernel refuses. Then inotify_fd is -1, and the caller reads the file at intervals;
 * the next call tries again. */
enum fail port_file_watch_renew(struct port_file_watch *watch, struct failure *why);

/* Reads all pending events and returns the most important one. Never blocks. */
enum port_file_event port_file_watch_drain(struct port_file_watch *watch);

/* Removes the watch but leaves inotify_fd open until the process ends. Closing it would block for
 * up to 20 ms, and a stop should not wait for that. */
void port_file_watch_release(struct port_file_watch *watch);

/* Closes the watch. May block for up to 20 ms. */
void port_file_watch_close(struct port_file_watch *watch);

#endif
