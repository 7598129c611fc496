#include "tests/lib/pem.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

bool pem_make(const char *cert_file, const char *key_file, const char *name)
{
	char subject[80];
	int status = -1, quiet;
	pid_t pid;

	snprintf(subject, sizeof(subject), "/CN=%s", name);
	pid = fork();
	if (pid == 0) {
		quiet = open("/dev/null", O_WRONLY);
		dup2(quiet, 2);
		execlp("openssl", "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
		       "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", subject,
		       "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key_file, "-out",
		       cert_file, (char *)NULL);
		_exit(127);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}
