/* hostile: qsticky as it is, until it has gone to sleep for the first time; then what somebody would
 * do who has taken it over.
 *
 * Linked with the product's own objects and with --wrap=syscall, so that nothing in src/ knows of it. The
 * step's name is in the environment as HOSTILE, what it aims at as HOSTILE_AIM: a path or a process.
 * Exit status: 60, it was done; 100 and errno, it was refused; by SIGSYS, it was stopped. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define DONE 60
#define REFUSED 100

/* The linker's names. NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl*) */
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl*) */

static int aim_number(const char *aim)
{
	return (int)strtol(aim, NULL, 10);
}

static long read_file(const char *aim)
{
	char byte;
	int fd = open(aim, O_RDONLY);

	return fd < 0 ? fd : read(fd, &byte, 1);
}

static long write_file(const char *aim)
{
	int fd = open(aim, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	return fd < 0 ? fd : write(fd, "1", 1);
}

static long remove_file(const char *aim)
{
	return unlink(aim);
}

static long change_mode(const char *aim)
{
	return chmod(aim, 0777);
}

static long link_here(const char *aim)
{
	return symlink("/etc/shadow", aim);
}

static long make_directory(const char *aim)
{
	return mkdir(aim, 0755);
}

static long mount_there(const char *aim)
{
	return mount("none", aim, "tmpfs", 0, NULL);
}

static long execute(const char *aim)
{
	(void)aim;
	return execl("/bin/sh", "sh", "-c", "exit 60", (char *)NULL);
}

/* Like all that makes a process here: the parent waits, so that it is seen whether one was made. */
static long make_process(const char *aim)
{
	pid_t child = fork();

	(void)aim;
	if (child == 0)
		_exit(0);
	return child < 0 ? child : waitpid(child, NULL, 0);
}

static long leave_user(const char *aim)
{
	(void)aim;
	return unshare(CLONE_NEWUSER);
}

static long change_user(const char *aim)
{
	return setuid((uid_t)aim_number(aim));
}

static long make_code(const char *aim)
{
	static _Alignas(4096) char page[4096];

	(void)aim;
	return mprotect(page, sizeof page, PROT_READ | PROT_WRITE | PROT_EXEC);
}

static long map_code(const char *aim)
{
	(void)aim;
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	                       MAP_FAILED
	               ? -1
	               : 0;
}

static long signal_other(const char *aim)
{
	return kill(aim_number(aim), SIGTERM);
}

static long trace_other(const char *aim)
{
	return ptrace(PTRACE_ATTACH, aim_number(aim), NULL, NULL);
}

static long bind_to(int type)
{
	const struct sockaddr_in here = { .sin_family = AF_INET,
		                          .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, type, 0);

	return fd < 0 ? fd : bind(fd, (const struct sockaddr *)&here, sizeof here);
}

static long bind_tcp(const char *aim)
{
	(void)aim;
	return bind_to(SOCK_STREAM);
}

static long bind_udp(const char *aim)
{
	(void)aim;
	return bind_to(SOCK_DGRAM);
}

/* Without bind(2) the kernel picks the port. */
static long listen_unbound(const char *aim)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)aim;
	return fd < 0 ? fd : listen(fd, 1);
}

static long unix_socket(const char *aim)
{
	(void)aim;
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static long packet_socket(const char *aim)
{
	(void)aim;
	return socket(AF_PACKET, SOCK_RAW, 0);
}

static long raw_socket(const char *aim)
{
	(void)aim;
	return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static long io_uring(const char *aim)
{
	static char parameters[120];

	(void)aim;
	return syscall(425, 1, parameters);
}

static long be_dumped(const char *aim)
{
	(void)aim;
	return prctl(PR_SET_DUMPABLE, 1);
}

static long clear_close_on_exec(const char *aim)
{
	(void)aim;
	return fcntl(0, F_DUPFD, 0);
}

#ifdef __x86_64__
/* getpid(2) as i386 numbers it: 20, here writev(2). */
static long call_of_i386(const char *aim)
{
	long number = 20;

	(void)aim;
	__asm__ volatile("int $0x80" : "+a"(number) : : "memory");
	return number;
}

static long call_of_x32(const char *aim)
{
	(void)aim;
	return syscall(0x40000000 | SYS_close, 0);
}
#endif

static const struct {
	const char *name;
	long (*take)(const char *aim);
} steps[] = {
	{ "read", read_file },     { "write", write_file },     { "unlink", remove_file },
	{ "chmod", change_mode },  { "symlink", link_here },    { "mkdir", make_directory },
	{ "mount", mount_there },  { "exec", execute },         { "fork", make_process },
	{ "unshare", leave_user }, { "setuid", change_user },   { "mprotect", make_code },
	{ "mmap", map_code },      { "kill", signal_other },    { "ptrace", trace_other },
	{ "bind", bind_tcp },      { "bind-udp", bind_udp },    { "listen", listen_unbound },
	{ "unix", unix_socket },   { "packet", packet_socket }, { "raw", raw_socket },
	{ "io_uring", io_uring },  { "dumpable", be_dumped },   { "dup", clear_close_on_exec },
#ifdef __x86_64__
	{ "i386", call_of_i386 },  { "x32", call_of_x32 },
#endif
};

static void take_step(void)
{
	const char *name = getenv("HOSTILE"), *aim;
	size_t i = 0;

	while (name && i < sizeof steps / sizeof steps[0] && strcmp(steps[i].name, name) != 0)
		i++;
	if (!name || i == sizeof steps / sizeof steps[0])
		return;
	aim = getenv("HOSTILE_AIM");
	_exit(steps[i].take(aim ? aim : "") < 0 ? REFUSED + errno : DONE);
}

/* Only the loop's sleep asks for poll(2) by its number. */
long __wrap_syscall(long number, ...)
{
	long args[6];
	va_list list;

	if (number == SYS_poll)
		take_step();
	/* All registers: how many there are is the caller's to know. */
	va_start(list, number);
	for (size_t i = 0; i < sizeof args / sizeof args[0]; i++)
		args[i] = va_arg(list, long);
	va_end(list);
	return __real_syscall(number, args[0], args[1], args[2], args[3], args[4], args[5]);
}
