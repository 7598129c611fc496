#include "bridge/unlock.h"

static int passphrase_fd = -1;

void unlock_passphrase_from(int fd)
{
	passphrase_fd = fd;
}

static int read_passphrase(bool confirm, struct secret *ret, struct err *err)
{
	int r;

	if (passphrase_fd < 0)
		return secret_prompt(ret, "Passphrase of the vault: ", confirm, err);
	r = secret_read_fd(ret, passphrase_fd, err);
	return r < 0 ? err_context(err, r, "--passphrase-fd %d", passphrase_fd) : 0;
}

int unlock_prepare(const struct config *c, bool confirm, struct unlock *ret, struct err *err)
{
	const struct config_master_key *m = &c->master_key;
	int r;

	*ret = (struct unlock){ 0 };
	if (m->file) {
		ret->source.kind = VAULT_FILE;
		ret->source.path = m->file;
		return 0;
	}
	if (m->credential) {
		ret->source.kind = VAULT_CREDENTIAL;
		ret->source.path = m->credential;
		ret->source.directory = getenv("CREDENTIALS_DIRECTORY");
		return 0;
	}
	r = read_passphrase(confirm, &ret->passphrase, err);
	if (r < 0)
		return r;
	ret->source.kind = VAULT_PASSPHRASE;
	ret->source.passphrase = &ret->passphrase;
	return 0;
}

void unlock_done(struct unlock *u)
{
	secret_done(&u->passphrase);
	*u = (struct unlock){ 0 };
}
