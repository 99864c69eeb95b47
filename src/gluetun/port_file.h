/* port_file: the forwarded port, as Gluetun writes it to a file.
 *
 * Gluetun empties or removes the file while it has no port, so "no port" is an ordinary answer
 * here, not a failure. What is read is one moment's content; what it means over time is sync's
 * business. */
#ifndef QSTICKY_GLUETUN_PORT_FILE_H
#define QSTICKY_GLUETUN_PORT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fail.h"

/* Longest file accepted, in bytes: Gluetun may list several ports, one a line. */
#define PORT_FILE_MAX 256

/* Ports that fit into a file of that length. */
#define PORT_FILE_PORTS_MAX (PORT_FILE_MAX / 2)

/* The ports listed, in their order, 1 to 65535 each. An empty list: none is forwarded. */
struct port_file_ports {
	bool missing;  /* there is no file, or no directory */
	bool replaced; /* FAIL_IO for that reason; for an instant, any rename looks the same */
	size_t count;
	uint16_t port[PORT_FILE_PORTS_MAX];
};

/* Parses `len` bytes (at most PORT_FILE_MAX) as Gluetun writes them: a port a line. Spaces, tabs
 * and CR around a number are dropped; every line must hold a number from 1 to 65535 or nothing.
 * Returns false, and sets nothing, for anything else. */
bool port_file_parse(const char *text, size_t len, struct port_file_ports *ports);

/* Reads the ports listed; no file, no directory and an empty file list none. `path`: absolute, under
 * LIMITS_PATH_MAX. Never blocks, on a FIFO either. `why` never holds what is in the file, nor where a
 * link leads. FAIL_IO: unreadable, not a regular file, or mounted alone and replaced since.
 * FAIL_TOO_BIG: over PORT_FILE_MAX. FAIL_FORMAT: not ports, or a link that leads out of the directory. */
enum fail port_file_read(const char *path, struct port_file_ports *ports, struct failure *why);

/* A watch on the file's directory or, while that is missing, on the nearest directory above. */
struct port_file_watch {
	const char *path;   /* borrowed; absolute, under LIMITS_PATH_MAX */
	int inotify_fd;     /* non-blocking, to be polled; -1 while the kernel refuses to watch */
	int watch;          /* of inotify; -1 for none */
	size_t watched_len; /* the directory watched: so many bytes of `path`; 0 for "/" */
	dev_t device;       /* which directory that was */
	ino_t inode;
};

/* What port_file_watch_drain() saw. */
enum port_file_event {
	PORT_FILE_QUIET,    /* nothing that concerns the file */
	PORT_FILE_MODIFIED, /* somebody is at it: read it again when that has settled */
	PORT_FILE_TOUCHED,  /* read it again */
	PORT_FILE_WRITTEN,  /* the same, and it was written: news even where the port is the same */
};

/* A watch on `path`, that port_file_watch_renew() has yet to begin. */
struct port_file_watch port_file_watch_on(const char *path);

/* Begins to watch, or moves to where the file's directory is by now: to be called before each read
 * of the file. Where the kernel refuses, FAIL_IO says why, inotify_fd is -1, and the caller is left
 * with polling; the next call tries again. */
enum fail port_file_watch_renew(struct port_file_watch *watch, struct failure *why);

/* Takes all events that are there; never blocks. */
enum port_file_event port_file_watch_drain(struct port_file_watch *watch);

/* Lets go of the directory and leaves the descriptor to the end of the process: to close it, the
 * kernel waits up to 20 ms, which a stop has better uses for. */
void port_file_watch_release(struct port_file_watch *watch);

/* Ends the watch. May block for up to 20 ms. */
void port_file_watch_close(struct port_file_watch *watch);

#endif
