#include "process/sandbox_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "config/table.h"

/* The same on every architecture; the headers may be older than the kernel. */
#define LANDLOCK_CREATE_RULESET 444
#define LANDLOCK_ADD_RULE 445
#define LANDLOCK_RESTRICT_SELF 446

/* Rights, of linux/landlock.h. */
#define WRITE_FILE (1u << 1)
#define READ_FILE (1u << 2)
#define READ_DIR (1u << 3)
#define REMOVE_FILE (1u << 5)
#define MAKE_DIR (1u << 7)
#define MAKE_REG (1u << 8)
#define TRUNCATE (1u << 14)

/* In a directory, where one that has the place of a file is to be told apart. */
#define READ (READ_FILE | READ_DIR)
#define WRITE (WRITE_FILE | REMOVE_FILE | MAKE_DIR | MAKE_REG | TRUNCATE)
/* A file of our own, but nothing that is there is removed. */
#define CREATE (READ_FILE | WRITE_FILE | MAKE_REG)

struct rules {
	int fd;
	uint64_t handled;
	bool incomplete; /* one could not be made: with the others alone, too little is allowed */
};

/* The files and directories that may be read, each with what is below it; for sandbox_files_hide(). */
static struct {
	bool limits;  /* what is not among them may not be read */
	size_t count; /* over REACHED_MAX: there was no room for all */
	struct {
		dev_t device;
		ino_t inode;
	} place[64];
} reached;

#define REACHED_MAX (sizeof reached.place / sizeof reached.place[0])

static bool is_reached(const struct stat *status)
{
	for (size_t i = 0; i < reached.count && i < REACHED_MAX; i++)
		if (reached.place[i].device == status->st_dev &&
		    reached.place[i].inode == status->st_ino)
			return true;
	return false;
}

static void note_reached(int fd)
{
	struct stat status;

	if (fstat(fd, &status) < 0 || is_reached(&status))
		return;
	if (reached.count < REACHED_MAX) {
		reached.place[reached.count].device = status.st_dev;
		reached.place[reached.count].inode = status.st_ino;
	}
	reached.count++;
}

/* Allows it for what is open at `fd`, which it closes, and for what is below that. */
static void allow_fd(struct rules *rules, int fd, uint64_t rights)
{
	const struct {
		uint64_t rights;
		int32_t fd;
	} __attribute__((packed)) rule = { rights & rules->handled, fd };

	/* What is not there, or cannot be entered, needs no rule. */
	if (fd < 0)
		return;
	if (syscall(LANDLOCK_ADD_RULE, rules->fd, 1 /* beneath a path */, &rule, 0) < 0)
		rules->incomplete = true;
	else if (rights & READ_FILE)
		note_reached(fd);
	close(fd);
}

static void allow(struct rules *rules, const char *path, uint64_t rights)
{
	allow_fd(rules, open(path, O_PATH | O_CLOEXEC), rights);
}

static int open_directory(const char *path)
{
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Where the file or directory open at `fd` really is; false where that cannot be known. */
static bool find_place(int fd, char path[static LIMITS_PATH_MAX])
{
	char link[32];
	struct text name = text_on(link, sizeof link);
	ssize_t len;

	text_printf(&name, "/proc/self/fd/%d", fd);
	len = fd < 0 ? -1 : readlink(link, path, LIMITS_PATH_MAX - 1);
	path[len > 0 ? len : 0] = '\0';
	return len > 0;
}

/* Whether too much that is not ours is in there. Where a directory has to be used since a file in it comes
 * and goes, only the first two are that. */
static bool is_shared(const char *directory, bool has_to_be)
{
	static const char names[][sizeof "/home"] = { "/",    "/etc", "/home", "/root",
		                                      "/run", "/tmp", "/usr",  "/var" };
	size_t count = has_to_be ? 2 : sizeof names / sizeof names[0];

	for (size_t i = 0; i < count; i++)
		if (strcmp(directory, names[i]) == 0)
			return true;
	return false;
}

/* Allows it in the directory of `file`, if that is there and is_shared() does not say no: then it
 * returns false. */
static bool allow_directory(struct rules *rules, const char *file, bool has_to_be, uint64_t rights)
{
	char path[LIMITS_PATH_MAX], place[LIMITS_PATH_MAX];
	struct text copy = text_on(path, sizeof path);
	int fd;

	text_append(&copy, file);
	(void)text_cut_name(path);
	fd = open_directory(path);
	if (is_shared(find_place(fd, place) ? place : path, has_to_be)) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	allow_fd(rules, fd, rights);
	return true;
}

/* What `file` is or leads to, but not a directory, and all that is in there. Returns whether it is a
 * regular file; sets where it is, "" where that cannot be known. */
static bool allow_file(struct rules *rules, const char *file, char place[static LIMITS_PATH_MAX])
{
	int fd = open(file, O_PATH | O_CLOEXEC);
	struct stat status = { 0 };

	if (fd >= 0 && (fstat(fd, &status) < 0 || S_ISDIR(status.st_mode))) {
		close(fd);
		fd = -1;
	}
	(void)find_place(fd, place);
	allow_fd(rules, fd, READ_FILE);
	return S_ISREG(status.st_mode);
}

/* A file, and the directory that a symbolic link to it leads to, since others are renamed to that
 * place. */
static void allow_target(struct rules *rules, const char *file)
{
	char place[LIMITS_PATH_MAX];

	if (allow_file(rules, file, place) && place[0])
		(void)allow_directory(rules, place, false, READ);
}

/* What may be replaced by a rename in its directory. That of a symbolic link, as Kubernetes makes them,
 * is where they are turned; what it leads to may be elsewhere. */
static void allow_read(struct rules *rules, const char *file)
{
	allow_target(rules, file);
	(void)allow_directory(rules, file, false, READ);
}

/* The directory above that of `file`, or the nearest one further up, if it is one below /tmp. */
static void allow_above(struct rules *rules, const char *file)
{
	static const char transient[] = "/tmp/";
	char path[LIMITS_PATH_MAX], place[LIMITS_PATH_MAX];
	struct text copy = text_on(path, sizeof path);
	int fd;

	text_append(&copy, file);
	(void)text_cut_name(path);
	(void)text_cut_name(path);
	while ((fd = open_directory(path)) < 0 && text_cut_name(path)) {
	}
	if (find_place(fd, place) && strncmp(place, transient, sizeof transient - 1) == 0)
		allow_fd(rules, fd, READ);
	else if (fd >= 0)
		close(fd);
}

/* Links that lead out of its directory are not followed, so what they lead to needs no rule. */
static void allow_port_file(struct rules *rules, const char *file)
{
	char place[LIMITS_PATH_MAX];

	if (!allow_directory(rules, file, true, READ))
		(void)allow_file(rules, file, place);
	allow_above(rules, file);
}

/* Exactly its directory, made now where it is missing. */
static void allow_write(struct rules *rules, const char *name, const char *file)
{
	file_make_parents(file);
	if (!allow_directory(rules, file, true, WRITE))
		log_line(
			LEVEL_ERROR,
			"%s: the sandbox lets nothing be written right in / or /etc; name a file in a "
			"directory of its own",
			name);
}

static void allow_secret(struct rules *rules, const struct secret *secret)
{
	if (secret->file)
		allow_read(rules, secret->file);
	else if (secret->usual_file)
		allow_target(rules, secret->usual_file);
}

/* The login budget, beside the health file. Where check would have to make their directory, it does
 * not: whose it is to be, only the sidecar knows. */
static void allow_login_file(struct rules *rules, const char *health, enum sandbox_phase phase)
{
	if (phase == SANDBOX_ONCE)
		file_make_parents(health);
	(void)allow_directory(rules, health, true, CREATE);
}

static void allow_reconciling(struct rules *rules, const struct config *config)
{
	/* The resolver's; where the CAs mostly are; and where secrets are looked for that no variable
	 * names. */
	static const char files[][sizeof "/etc/resolv.conf"] = { "/etc/hosts", "/etc/resolv.conf" };
	static const char directories[][sizeof "/etc/ssl/certs"] = { "/etc/ssl/certs",
		                                                     CONFIG_SECRETS };
	const struct secret *secret;
	size_t cursor = 0;

	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
		allow_target(rules, files[i]);
	for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++)
		allow(rules, directories[i], READ_FILE);
	while ((secret = config_secret(config, &cursor)))
		allow_secret(rules, secret);
	allow_secret(rules, &config->webhook_url);
	allow_read(rules, config->tls_ca_file);
	if (config->port_source != CONFIG_SOURCE_GLUETUN)
		allow_port_file(rules, config->port_file_path);
}

int sandbox_files_limit(const struct config *config, enum sandbox_phase phase, bool read_all)
{
	/* The ABI is asked for by a flag. */
	long abi = syscall(LANDLOCK_CREATE_RULESET, NULL, 0, 1);
	struct {
		uint64_t files, net, scopes;
	} handled = { 0 };
	struct rules rules = { .incomplete = false };

	if (abi < 1)
		return 0;
	/* Each ABI has the rights of the one before, and some more. */
	handled.files = (1u << (abi < 3 ? 12 + abi : abi < 5 ? 15 : 16)) - 1;
	handled.net = abi >= 4 ? 1 : 0;    /* to bind TCP, to any port */
	handled.scopes = abi >= 6 ? 3 : 0; /* abstract UNIX sockets of others, signals to them */
	rules.handled = handled.files;
	rules.fd = (int)syscall(LANDLOCK_CREATE_RULESET, &handled, sizeof handled, 0);
	if (rules.fd < 0)
		return 0;
	if (read_all)
		allow(&rules, "/", READ);
	if (phase != SANDBOX_JUDGE)
		allow_reconciling(&rules, config);
	if (phase == SANDBOX_RUN)
		allow_write(&rules, "HEALTH_FILE", config->health_path);
	if (phase != SANDBOX_JUDGE)
		allow_login_file(&rules, config->health_path, phase);
	if (phase == SANDBOX_RUN && config->metrics_path)
		allow_write(&rules, "QSTICKY_METRICS_FILE", config->metrics_path);
	if (rules.incomplete ||
	    (SANDBOX_RESTRICTS && syscall(LANDLOCK_RESTRICT_SELF, rules.fd, 0) < 0))
		abi = 0;
	close(rules.fd);
	reached.limits = abi > 0;
	return (int)abi;
}

/* Goes up from the directory of `path` by "..", as the kernel does, whatever links led there. */
static bool is_below_reached(const char *path)
{
	char way[LIMITS_PATH_MAX];
	struct text text = text_on(way, sizeof way);
	struct stat status, below = { 0 };

	text_append(&text, path);
	(void)text_cut_name(way);
	text.len = strlen(way);
	while (!text.full && stat(way, &status) == 0) {
		if (is_reached(&status))
			return true;
		if (status.st_dev == below.st_dev && status.st_ino == below.st_ino)
			return false; /* at the root */
		below = status;
		text_append(&text, "/..");
	}
	return true; /* as far as can be seen */
}

bool sandbox_files_hide(const char *path)
{
	struct stat status;
	int fd;

	if (!reached.limits || reached.count > REACHED_MAX)
		return false;
	fd = file_open(path, FILE_LINKS_ALL);
	if (fd >= 0)
		close(fd);
	/* What Landlock keeps closed, access(2) and stat(2) still find. */
	return fd < 0 && errno == EACCES && access(path, R_OK) == 0 && stat(path, &status) == 0 &&
	       S_ISREG(status.st_mode) && !is_reached(&status) && !is_below_reached(path);
}

enum fail sandbox_files_explain(struct failure *why, const char *path)
{
	return fail_set(why, FAIL_IO,
	                "%s was made or replaced after the start, or its directory was; the "
	                "sandbox opens only what was there then: qsticky needs a restart",
	                path);
}
