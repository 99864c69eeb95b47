#include "process/sandbox_files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
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
#define OPENAT2 437

/* Rights, of linux/landlock.h. */
#define WRITE_FILE (1u << 1)
#define READ_FILE (1u << 2)
#define READ_DIR (1u << 3)
#define REMOVE_FILE (1u << 5)
#define MAKE_DIR (1u << 7)
#define MAKE_REG (1u << 8)
#define TRUNCATE (1u << 14)

/* READ_DIR shows a directory where a file should be. */
#define READ (READ_FILE | READ_DIR)
#define WRITE (WRITE_FILE | REMOVE_FILE | MAKE_DIR | MAKE_REG | TRUNCATE)
/* Create and write files, but remove none. */
#define CREATE (READ_FILE | WRITE_FILE | MAKE_REG)

struct rules {
	int fd;
	uint64_t handled;
	bool incomplete; /* a rule is missing, so the others would allow too little */
};

/* The readable files and directories, with all below them; for sandbox_files_hide(). */
static struct {
	bool limits;  /* nothing else is readable */
	size_t count; /* over REACHED_MAX: some did not fit */
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

/* Allows `rights` for the file or directory `fd` and all below it. Closes `fd`. */
static void allow_fd(struct rules *rules, int fd, uint64_t rights)
{
	const struct {
		uint64_t rights;
		int32_t fd;
	} __attribute__((packed)) rule = { rights & rules->handled, fd };

	/* No rule for what is missing or closed to us. */
	if (fd < 0)
		return;
	if (syscall(LANDLOCK_ADD_RULE, rules->fd, 1 /* beneath a path */, &rule, 0) < 0)
		rules->incomplete = true;
	else if (rights & READ_FILE)
		note_reached(fd);
	close(fd);
}

/* Whether the path is spelled as the kernel would: no "." or "..", and no "/" too many. */
static bool is_plain(const char *path)
{
	size_t len = strlen(path);

	return path[0] == '/' && len < LIMITS_PATH_MAX && !text_find(path, len, "/.") &&
	       !text_find(path, len, "//") && (len == 1 || path[len - 1] != '/');
}

/* Opens the file or directory for its rule. Sets `place` to its real path, "" if unknown. A path without
 * links is that path itself; to ask /proc for it takes longer than all else here. */
static int open_place(const char *path, int flags, char place[static LIMITS_PATH_MAX])
{
	const struct open_how how = { .flags = (unsigned)(O_PATH | flags),
		                      .resolve = RESOLVE_NO_SYMLINKS };
	char link[32];
	struct text text = text_on(place, LIMITS_PATH_MAX), name = text_on(link, sizeof link);
	ssize_t len;
	int fd = -1;

	if (is_plain(path)) {
		fd = (int)syscall(OPENAT2, AT_FDCWD, path, &how, sizeof how);
		if (fd >= 0)
			text_append(&text, path);
		if (fd >= 0 || errno == ENOENT)
			return fd;
	}
	/* There may be a link, or no openat2(2): Docker's profile may forbid it. */
	fd = open(path, O_PATH | flags);
	text_printf(&name, "/proc/self/fd/%d", fd);
	len = fd < 0 ? -1 : readlink(link, place, LIMITS_PATH_MAX - 1);
	place[len > 0 ? len : 0] = '\0';
	return fd;
}

/* Whether too many others keep files in the directory. `has_to_be`: it must be allowed since a file in
 * it comes and goes; then only "/" and "/etc" count as shared. */
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

/* Allows `rights` in the directory of `file`, if it exists. False: is_shared(), so not allowed. */
static bool allow_directory(struct rules *rules, const char *file, bool has_to_be, uint64_t rights)
{
	char path[LIMITS_PATH_MAX], place[LIMITS_PATH_MAX];
	struct text copy = text_on(path, sizeof path);
	int fd;

	text_append(&copy, file);
	(void)text_cut_name(path);
	/* Not even opened, if its name says so already. */
	if (is_shared(path, has_to_be))
		return false;
	fd = open_place(path, O_DIRECTORY, place);
	if (is_shared(place, has_to_be)) {
		close(fd);
		return false;
	}
	allow_fd(rules, fd, rights);
	return true;
}

/* Allows reading `file` or the file that it links to, but no directory. Returns whether it is a regular
 * file. Sets `place` to its real path, "" if unknown. */
static bool allow_file(struct rules *rules, const char *file, char place[static LIMITS_PATH_MAX])
{
	int fd = open_place(file, 0, place);
	struct stat status = { 0 };

	if (fd >= 0 && (fstat(fd, &status) < 0 || S_ISDIR(status.st_mode))) {
		close(fd);
		fd = -1;
		place[0] = '\0';
	}
	allow_fd(rules, fd, READ_FILE);
	return S_ISREG(status.st_mode);
}

/* Allows the file and its real directory, where a rename may replace it. Returns whether `file` is in
 * that directory. */
static bool allow_target(struct rules *rules, const char *file)
{
	char place[LIMITS_PATH_MAX];

	if (!allow_file(rules, file, place) || !place[0])
		return false;
	(void)allow_directory(rules, place, false, READ);
	return strcmp(file, place) == 0;
}

/* Allows a file that a rename may replace. If it is a symbolic link, the link may be replaced in its
 * own directory, as Kubernetes does, and the target may be elsewhere. */
static void allow_read(struct rules *rules, const char *file)
{
	if (!allow_target(rules, file))
		(void)allow_directory(rules, file, false, READ);
}

static bool allow(struct rules *rules, const char *path, uint64_t rights)
{
	int fd = open(path, O_PATH);

	allow_fd(rules, fd, rights);
	return fd >= 0;
}

/* Allows the directory above that of `file`, or the nearest one that exists, if it is below /tmp. */
static void allow_above(struct rules *rules, const char *file)
{
	static const char transient[] = "/tmp/";
	char path[LIMITS_PATH_MAX], place[LIMITS_PATH_MAX];
	struct text copy = text_on(path, sizeof path);
	int fd;

	text_append(&copy, file);
	(void)text_cut_name(path);
	(void)text_cut_name(path);
	while ((fd = open_place(path, O_DIRECTORY, place)) < 0 && text_cut_name(path)) {
	}
	if (strncmp(place, transient, sizeof transient - 1) == 0)
		allow_fd(rules, fd, READ);
	else if (fd >= 0)
		close(fd);
}

/* The target of a link needs no rule: beneath_open() does not follow links out of the directory. */
static void allow_port_file(struct rules *rules, const char *file)
{
	char place[LIMITS_PATH_MAX];

	if (!allow_directory(rules, file, true, READ))
		(void)allow_file(rules, file, place);
	allow_above(rules, file);
}

/* Allows the directory of `file` only, and makes it if it is missing. */
static void allow_write(struct rules *rules, const char *name, const char *file, uint64_t rights)
{
	file_make_parents(file);
	if (!allow_directory(rules, file, true, rights))
		log_line(LEVEL_ERROR,
		         "%s: the sandbox forbids writing directly in / or /etc; name a file in a "
		         "directory of its own",
		         name);
}

static void allow_secret(struct rules *rules, const struct secret *secret, bool has_usual)
{
	if (secret->file)
		allow_read(rules, secret->file);
	else if (secret->usual_file && has_usual)
		(void)allow_target(rules, secret->usual_file);
}

/* The login budget is in the directory of the health file. check does not make that directory: only
 * the sidecar knows its owner. */
static void allow_login_file(struct rules *rules, const char *health, enum sandbox_phase phase)
{
	if (phase == SANDBOX_ONCE)
		file_make_parents(health);
	(void)allow_directory(rules, health, true, CREATE);
}

static void allow_reconciling(struct rules *rules, const struct config *config)
{
	const struct secret *secret, *webhook = &config->webhook_url;
	size_t cursor = 0;
	bool has_usual;

	(void)allow_target(rules, "/etc/hosts");
	(void)allow_target(rules, "/etc/resolv.conf");
	has_usual = allow(rules, CONFIG_SECRETS, READ_FILE);
	while ((secret = config_secret(config, &cursor)))
		allow_secret(rules, secret, has_usual);
	allow_secret(rules, webhook, has_usual);
	/* Plain HTTP needs no CAs. The URL of a webhook may come later, in its usual file. */
	if (config->use_https || config->gluetun_use_https || has_usual || webhook->file ||
	    !webhook->is_default) {
		(void)allow(rules, "/etc/ssl/certs", READ_FILE);
		allow_read(rules, config->tls_ca_file);
	}
	if (config->port_source != CONFIG_SOURCE_GLUETUN)
		allow_port_file(rules, config->port_file_path);
}

int sandbox_files_limit(const struct config *config, enum sandbox_phase phase, bool read_all)
{
	/* The flag 1 asks for the ABI. */
	long abi = syscall(LANDLOCK_CREATE_RULESET, NULL, 0, 1);
	struct {
		uint64_t files, net, scopes;
	} handled = { 0 };
	struct rules rules = { .incomplete = false };

	if (abi < 1)
		return 0;
	/* Each ABI adds rights to the one before. */
	handled.files = (1u << (abi < 3 ? 12 + abi : abi < 5 ? 15 : 16)) - 1;
	handled.net = abi >= 4 ? 1 : 0;    /* binding TCP ports */
	handled.scopes = abi >= 6 ? 3 : 0; /* others' abstract UNIX sockets, signals to others */
	rules.handled = handled.files;
	rules.fd = (int)syscall(LANDLOCK_CREATE_RULESET, &handled, sizeof handled, 0);
	if (rules.fd < 0)
		return 0;
	if (read_all)
		(void)allow(&rules, "/", READ);
	if (phase != SANDBOX_JUDGE)
		allow_reconciling(&rules, config);
	/* The login budget is next to the health file. */
	if (phase == SANDBOX_RUN)
		allow_write(&rules, "HEALTH_FILE", config->health_path, WRITE | READ_FILE);
	else if (phase != SANDBOX_JUDGE)
		allow_login_file(&rules, config->health_path, phase);
	if (phase == SANDBOX_RUN && config->metrics_path)
		allow_write(&rules, "QSTICKY_METRICS_FILE", config->metrics_path, WRITE);
	if (rules.incomplete ||
	    (SANDBOX_RESTRICTS && syscall(LANDLOCK_RESTRICT_SELF, rules.fd, 0) < 0))
		abi = 0;
	close(rules.fd);
	reached.limits = abi > 0;
	return (int)abi;
}

/* Goes up from the directory of `path` by "..", as the kernel does: real parents, not the links that
 * led there. */
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
	return true; /* unknown */
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
	/* Landlock does not restrict access(2) and stat(2). */
	return fd < 0 && errno == EACCES && access(path, R_OK) == 0 && stat(path, &status) == 0 &&
	       S_ISREG(status.st_mode) && !is_reached(&status) && !is_below_reached(path);
}

enum fail sandbox_files_explain(struct failure *why, const char *path)
{
	return fail_set(why, FAIL_IO,
	                "%s or its directory was made or replaced after the start; the sandbox "
	                "allows only files that existed then: restart qsticky",
	                path);
}
