#include "tests/lib/slapd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CTL "tests/servers/slapd/ctl"

static void must(bool ok, const char *format, ...)
{
	va_list args;

	if (ok)
		return;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	exit(1);
}

static pid_t spawn(const char *const argv[], const char *out_file)
{
	pid_t pid = fork();

	if (pid == 0) {
		int in = open("/dev/null", O_RDONLY);
		int out = open(out_file ? out_file : "/dev/null", O_WRONLY | O_CREAT | O_TRUNC,
			       0600);

		if (in < 0 || out < 0)
			_exit(126);
		dup2(in, 0);
		dup2(out, 1);
		signal(SIGPIPE, SIG_DFL);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	return pid;
}

int run_program(const char *const argv[], const char *out_file)
{
	pid_t pid = spawn(argv, out_file);
	int status;

	if (pid < 0)
		return -1;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What a failed test leaves running ends with the program. */
static pid_t running[64];
static struct slapd *started;

static void end_all(void)
{
	const char *argv[] = { CTL, "stop", started ? started->dir : "", NULL };

	if (started)
		run_program(argv, NULL);
	for (size_t i = 0; i < sizeof(running) / sizeof(running[0]); i++)
		if (running[i] > 0)
			kill(running[i], SIGKILL);
}

static void remember(pid_t was, pid_t pid)
{
	static bool promised;

	if (!promised)
		promised = atexit(end_all) == 0;
	for (size_t i = 0; i < sizeof(running) / sizeof(running[0]); i++)
		if (running[i] == was) {
			running[i] = pid;
			return;
		}
}

pid_t run_server(const char *const argv[], const char *ready_file)
{
	pid_t pid = spawn(argv, NULL);

	remember(0, pid);

	/* at most 20 s; the file is the event that is waited for */
	for (int i = 0; i < 2000 && access(ready_file, F_OK) < 0; i++) {
		must(waitpid(pid, NULL, WNOHANG) == 0, "%s ended at once", argv[0]);
		poll(NULL, 0, 10);
	}
	must(access(ready_file, F_OK) == 0, "%s did not come up", argv[0]);
	return pid;
}

void end_server(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	remember(pid, 0);
}

static int bound(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

int free_port(void)
{
	for (int i = 0; i < 100; i++) {
		struct sockaddr_in a;
		socklen_t len = sizeof(a);
		int one = bound(0), two;

		must(one >= 0 && getsockname(one, (struct sockaddr *)&a, &len) == 0,
		     "no free port");
		two = bound(ntohs(a.sin_port) + 1);
		close(one);
		if (two >= 0) {
			close(two);
			return ntohs(a.sin_port);
		}
	}
	must(false, "no two free ports in a row");
	return -1;
}

static void ctl(const struct slapd *s, const char *verb, const char *arg)
{
	const char *argv[] = { CTL, verb, s->dir, arg, NULL };

	must(run_program(argv, NULL) == 0,
	     "%s %s %s failed: is slapd installed (make deps-check)?", CTL, verb, s->dir);
}

void slapd_start(struct slapd *s, int people, const char *cert)
{
	const char *tmp = getenv("TMPDIR");
	char port[16], number[16];

	snprintf(s->dir, sizeof(s->dir), "%s/leaverd-slapd-XXXXXX",
		 tmp && strlen(tmp) < 60 ? tmp : "/tmp");
	must(mkdtemp(s->dir) != NULL, "no temporary folder %s", s->dir);
	remember(0, 0);
	started = s;
	s->port = free_port();
	snprintf(port, sizeof(port), "%d", s->port);
	snprintf(number, sizeof(number), "%d", people);
	setenv("CERT", cert, 1);
	if (people > 0)
		ctl(s, "seed", number);
	ctl(s, "start", port);
}

void slapd_restart(struct slapd *s, const char *cert)
{
	char port[16];

	snprintf(port, sizeof(port), "%d", s->port);
	setenv("CERT", cert, 1);
	ctl(s, "stop", NULL);
	ctl(s, "start", port);
}

void slapd_stop(struct slapd *s)
{
	if (!s->dir[0])
		return;
	started = NULL;
	ctl(s, "wipe", NULL);
	/* what a test put there besides */
	const char *argv[] = { "rm", "-rf", "--", s->dir, NULL };
	run_program(argv, NULL);
	s->dir[0] = '\0';
}

/* --- changes -------------------------------------------------------------------------------
 */

bool slapd_modify(const struct slapd *s, const char *dn, const char *ldif)
{
	char file[128], uri[64];
	const char *argv[] = { "ldapmodify",         "-x", "-H", uri,  "-D", dn, "-w",
			       SLAPD_ADMIN_PASSWORD, "-M", "-f", file, NULL };
	FILE *f;
	bool ok;

	snprintf(file, sizeof(file), "%s/change.ldif", s->dir);
	snprintf(uri, sizeof(uri), "ldap://127.0.0.1:%d", s->port);
	f = fopen(file, "w");
	must(f != NULL, "cannot write %s", file);
	fputs(ldif, f);
	fclose(f);
	ok = run_program(argv, NULL) == 0;
	unlink(file);
	if (!ok) {
		const char *why[] = { "sh", "-c", "tail -n 5 \"$1\" >&2", "sh", file, NULL };

		snprintf(file, sizeof(file), "%s/slapd.log", s->dir);
		run_program(why, NULL);
	}
	return ok;
}

/* The databases are numbered in the order of slapd.conf: config, monitor, accesslog, data. */
#define DATA_DATABASE "dn: olcDatabase={3}mdb,cn=config\nchangetype: modify\n"

bool slapd_access_first(const struct slapd *s, const char *rule)
{
	char ldif[1024];

	snprintf(ldif, sizeof(ldif), DATA_DATABASE "add: olcAccess\nolcAccess: {0}%s\n", rule);
	return slapd_modify(s, "cn=config", ldif);
}

bool slapd_access_undo(const struct slapd *s)
{
	return slapd_modify(s, "cn=config",
			    DATA_DATABASE "delete: olcAccess\nolcAccess: {0}\n");
}

/* --- ldapsearch ----------------------------------------------------------------------------
 */

static int line_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char **slapd_values(const struct slapd *s, const char *base, const char *filter,
		    const char *attr, size_t *n)
{
	char file[128], uri[64], line[512], prefix[64], **lines = NULL;
	const char *argv[] = { "ldapsearch",
			       "-x",
			       "-LLL",
			       "-o",
			       "ldif-wrap=no",
			       "-E",
			       "pr=500/noprompt",
			       "-H",
			       uri,
			       "-D",
			       "cn=bridge,ou=services," SLAPD_BASE,
			       "-w",
			       SLAPD_BRIDGE_PASSWORD,
			       "-b",
			       base,
			       filter,
			       attr,
			       NULL };
	size_t room = 0;
	FILE *f;

	*n = 0;
	snprintf(file, sizeof(file), "%s/search.out", s->dir);
	snprintf(uri, sizeof(uri), "ldap://127.0.0.1:%d", s->port);
	snprintf(prefix, sizeof(prefix), "%s: ", attr);
	if (run_program(argv, file) != 0 || !(f = fopen(file, "r")))
		return NULL;
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, prefix, strlen(prefix)) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		if (*n == room) {
			room = room ? room * 2 : 1024;
			lines = reallocarray(lines, room, sizeof(*lines));
			must(lines != NULL, "out of memory");
		}
		lines[(*n)++] = strdup(line + strlen(prefix));
	}
	fclose(f);
	unlink(file);
	if (lines)
		qsort(lines, *n, sizeof(*lines), line_order);
	return lines ? lines : calloc(1, sizeof(*lines));
}
